/** What a mail looks like: the same words as text and as HTML, so that no reader gets another mail. */

import { escapeMarkup } from '../lib/markup.ts';

export interface MailContent {
  readonly subject: string;
  /** Before the button. */
  readonly paragraphs: readonly string[];
  readonly action?: MailAction;
  /** After it. */
  readonly closing?: readonly string[];
}

export interface MailAction {
  /** On the button. */
  readonly label: string;
  readonly link: string;
  /** For who uses another client than the page that the link opens. */
  readonly code: string;
  readonly expiresAt: Date;
}

export interface RenderedMail {
  readonly subject: string;
  readonly text: string;
  readonly html: string;
  readonly link: string | null;
}

/** @param sender the host that people know this server by */
export function render({ subject, paragraphs, action, closing = [] }: MailContent, sender: string): RenderedMail {
  const until = action && `It works once, until ${timeOf(action.expiresAt)}.`;
  const codeHint = 'Where you are asked for a code, it is this one:';
  const footer = `Sent by Quarry at ${sender}.`;
  const text = [
    ...paragraphs,
    ...(action ? [`${action.label}:\n${action.link}`, until, `${codeHint}\n${action.code}`] : []),
    ...closing,
    `-- \n${footer}`,
  ];
  const html = [
    ...paragraphs.map(paragraph),
    ...(action
      ? [
          `<p style="margin:24px 0"><a href="${escapeMarkup(action.link)}" style="${buttonStyle}">${escapeMarkup(action.label)}</a></p>`,
          paragraph(until!),
          `<p style="${quietStyle}">${codeHint}<br><code style="word-break:break-all">${escapeMarkup(action.code)}</code></p>`,
        ]
      : []),
    ...closing.map(paragraph),
  ];
  return {
    subject,
    text: `${text.join('\n\n')}\n`,
    html: page({ subject, body: html.join('\n'), footer }),
    link: action?.link ?? null,
  };
}

const buttonStyle =
  'display:inline-block;padding:12px 22px;border-radius:6px;background:#1f5eff;color:#ffffff;font-weight:600;text-decoration:none';
const quietStyle = 'margin:0 0 16px;color:#5b6472;font-size:13px';

const page = ({ subject, body, footer }: { subject: string; body: string; footer: string }) => `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${escapeMarkup(subject)}</title></head>
<body style="margin:0;padding:32px 16px;background:#f3f4f7;font:16px/1.5 -apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif;color:#1c2330">
<div style="max-width:520px;margin:0 auto;padding:32px;background:#ffffff;border-radius:10px">
<h1 style="margin:0 0 20px;font-size:20px">${escapeMarkup(subject)}</h1>
${body}
<p style="${quietStyle};margin:28px 0 0;padding-top:16px;border-top:1px solid #e3e6ec">${escapeMarkup(footer)}</p>
</div>
</body>
</html>
`;

const paragraph = (text: string): string => `<p style="margin:0 0 16px">${escapeMarkup(text)}</p>`;

/** Such as `21 November 2026 at 20:15 UTC`. */
const timeOf = (at: Date): string => `${day.format(at)} at ${time.format(at)} UTC`;
const day = new Intl.DateTimeFormat('en-GB', { dateStyle: 'long', timeZone: 'UTC' });
const time = new Intl.DateTimeFormat('en-GB', { timeStyle: 'short', timeZone: 'UTC' });

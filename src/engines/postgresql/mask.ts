/**
 * Hides secrets in the text of statements that others are shown. It cannot know every secret: behind a word that names
 * one, every literal is hidden, and so is each literal that holds such a word itself. Rather too much than too little.
 */

const hidden = "'***'";

const secretWord = /passw|passphrase|secret|token|api_?key|private_?key|credential|crypt|pgp_|hmac/i;
/** Of a URL: what stands between the user and the host. */
const userInfo = /:\/\/[^\s/@]*:[^\s@]*@/;

/** What is unfinished reaches to the end: a server cuts what it shows. */
const tokens = new RegExp(
  [
    String.raw`(?<comment>--[^\n]*|/\*[\s\S]*?(?:\*/|$))`,
    String.raw`(?<literal>(?<![\w$])[eE]'(?:[^'\\]|\\[\s\S]|'')*(?:'|$)|'(?:[^']|'')*(?:'|$)|(?<![\w$])\$(?<tag>(?:[A-Za-z_\u0080-\uffff][\w\u0080-\uffff]*)?)\$[\s\S]*?(?:\$\k<tag>\$|$))`,
    String.raw`(?<word>"(?:[^"]|"")*(?:"|$)|[A-Za-z_\u0080-\uffff][\w$\u0080-\uffff]*)`,
  ].join('|'),
  'g',
);

/** The statement as it may be shown; of a length of its own. */
export function maskSecrets(sql: string): string {
  let named = false;
  return sql.replace(tokens, (token, ...rest) => {
    const { comment, literal, word } = rest.at(-1) as Record<string, string | undefined>;
    const tells = secretWord.test(token) || (word === undefined && userInfo.test(token));
    if (comment !== undefined) return tells ? '/* *** */' : token;
    if (literal !== undefined) return named || tells ? hidden : token;
    named ||= tells;
    return token;
  });
}

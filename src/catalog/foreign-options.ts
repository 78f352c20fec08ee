/** Options of foreign data as they are shown: a wrapper may take a password where PostgreSQL's own would not. */

const secret = /pass|secret|token|credential|private|key$/i;

/** `name=value` each; of one that is named as a secret the name alone, with an equals sign. */
export const shownOptions = (options: readonly string[]): string[] =>
  options.map((option) => {
    const name = option.slice(0, option.indexOf('='));
    return secret.test(name) ? `${name}=` : option;
  });

/** The words from which generate.ts makes names, things and sentences. */

/** [code, name, symbol, decimals, units for one euro on the first day]. The rates are invented. */
export const currencies = [
  ['EUR', 'Euro', '€', 2, 1],
  ['USD', 'US dollar', '$', 2, 1.09],
  ['GBP', 'Pound sterling', '£', 2, 0.87],
  ['CHF', 'Swiss franc', 'Fr', 2, 0.97],
  ['SEK', 'Swedish krona', 'kr', 2, 11.2],
  ['NOK', 'Norwegian krone', 'kr', 2, 10.9],
  ['DKK', 'Danish krone', 'kr', 2, 7.45],
  ['PLN', 'Polish złoty', 'zł', 2, 4.6],
  ['CZK', 'Czech koruna', 'Kč', 2, 24.1],
  ['JPY', 'Japanese yen', '¥', 0, 143],
  ['CAD', 'Canadian dollar', 'C$', 2, 1.46],
  ['AUD', 'Australian dollar', 'A$', 2, 1.59],
] as const;

/** Countries with the currency in which their people price things; the repeated ones have more people. */
export const countries = [
  ['DE', 'EUR'],
  ['DE', 'EUR'],
  ['FR', 'EUR'],
  ['ES', 'EUR'],
  ['IT', 'EUR'],
  ['NL', 'EUR'],
  ['FI', 'EUR'],
  ['US', 'USD'],
  ['US', 'USD'],
  ['GB', 'GBP'],
  ['CH', 'CHF'],
  ['SE', 'SEK'],
  ['NO', 'NOK'],
  ['DK', 'DKK'],
  ['PL', 'PLN'],
  ['CZ', 'CZK'],
  ['JP', 'JPY'],
  ['CA', 'CAD'],
  ['AU', 'AUD'],
] as const;

export const roles = [
  ['member', 'Everyone who has an account.', ['post:read', 'reply:write', 'post:buy']],
  ['seller', 'Whoever offers things.', ['post:write', 'post:withdraw']],
  ['moderator', 'Looks after the tone and the rules.', ['reply:remove', 'post:withdraw', 'account:suspend']],
  ['treasurer', 'Pays out and pays back.', ['purchase:refund', 'fee:write']],
  ['administrator', 'Runs the site.', ['role:grant', 'account:close', 'rate:write']],
] as const;

export interface Kind {
  slug: string;
  name: string;
  things: readonly string[];
  /** Whole euros. */
  cheapest: number;
  dearest: number;
}

const kind = (slug: string, name: string, cheapest: number, dearest: number, ...things: string[]): Kind => ({
  slug,
  name,
  things,
  cheapest,
  dearest,
});

/** Top categories, each with the leaves on which posts hang. */
export const categories: readonly { slug: string; name: string; kinds: readonly Kind[] }[] = [
  {
    slug: 'home',
    name: 'Home',
    kinds: [
      kind('tables-and-chairs', 'Tables and chairs', 20, 480, 'oak stool', 'folding table', 'dining chair', 'bench'),
      kind('lamps', 'Lamps', 8, 190, 'desk lamp', 'paper lantern', 'floor lamp', 'brass wall light'),
      kind('kitchenware', 'Kitchenware', 4, 150, 'cast-iron pan', 'stoneware bowl set', 'espresso pot', 'bread tin'),
    ],
  },
  {
    slug: 'electronics',
    name: 'Electronics',
    kinds: [
      kind('cameras', 'Cameras', 40, 1400, 'film camera', 'mirrorless camera', 'wide-angle lens', 'tripod'),
      kind('computers', 'Computers', 30, 1600, 'laptop', 'mechanical keyboard', 'monitor', 'single-board computer'),
      kind('audio', 'Audio', 15, 900, 'record player', 'pair of speakers', 'headphones', 'tube amplifier'),
    ],
  },
  {
    slug: 'outdoors',
    name: 'Outdoors',
    kinds: [
      kind('bicycles', 'Bicycles', 60, 1900, 'city bike', 'gravel bike', 'cargo trailer', 'track frame'),
      kind('camping', 'Camping', 10, 420, 'two-person tent', 'down sleeping bag', 'gas stove', 'hammock'),
      kind('winter-sports', 'Winter sports', 25, 560, 'touring skis', 'pair of snowshoes', 'sledge', 'ice skates'),
    ],
  },
  {
    slug: 'clothing',
    name: 'Clothing',
    kinds: [
      kind('coats', 'Coats', 20, 320, 'wool coat', 'rain jacket', 'duffle coat', 'quilted vest'),
      kind('shoes', 'Shoes', 12, 240, 'hiking boots', 'leather brogues', 'running shoes', 'clogs'),
      kind('knitwear', 'Knitwear', 10, 140, 'cable-knit sweater', 'cardigan', 'mohair scarf', 'pair of mittens'),
    ],
  },
  {
    slug: 'music',
    name: 'Music',
    kinds: [
      kind('strings', 'Strings', 45, 1700, 'acoustic guitar', 'violin', 'ukulele', 'bass guitar'),
      kind('keys', 'Keys', 60, 1500, 'stage piano', 'synthesizer', 'accordion', 'organ module'),
      kind('records', 'Records', 3, 90, 'jazz record', 'box of singles', 'folk record', 'film soundtrack'),
    ],
  },
  {
    slug: 'books',
    name: 'Books',
    kinds: [
      kind('novels', 'Novels', 2, 40, 'crime novel', 'family saga', 'short-story collection', 'historical novel'),
      kind('textbooks', 'Textbooks', 5, 110, 'statistics textbook', 'botany atlas', 'grammar', 'circuit handbook'),
      kind('comics', 'Comics', 2, 160, 'comic album', 'manga series', 'graphic novel', 'strip collection'),
    ],
  },
];

export const adjectives = ['Sturdy', 'Light', 'Restored', 'Rare', 'Compact', 'Handmade', 'Vintage', 'Tidy', 'Simple'];
export const endings = [
  '',
  '',
  ', barely used',
  ', from the seventies',
  ' with case',
  ', needs love',
  ' (pick-up only)',
];
export const colours = ['black', 'white', 'red', 'green', 'blue', 'grey', 'brown', 'yellow'];
export const tags = [
  'bargain',
  'gift',
  'collectible',
  'student',
  'garage',
  'moving-out',
  'pair',
  'repairable',
  'quiet',
];

export const origins = [
  'I bought it for a flat that turned out too small.',
  'It belonged to my aunt, who took good care of it.',
  'It came with a house move and was never unpacked.',
  'I used it through one season and then changed plans.',
  'We have two of them now and need only one.',
];
export const states = [
  'Everything works as it should.',
  'There is a scratch on the left side that photographs worse than it is.',
  'One part was replaced last spring, the bill is included.',
  'The colour has faded a little where the sun reached it.',
  'It was cleaned and checked before I listed it.',
];
export const handovers = [
  'Can be seen on weekday evenings.',
  'I can send it well packed.',
  'Collection preferred, the stairs are wide.',
  'Ships within two days.',
  'Bring a friend, it is heavier than it looks.',
];

export const questions = [
  'Is it still to be had?',
  'Could you tell me its exact measurements?',
  'Would you take a little less for it?',
  'Does it come with everything in the picture?',
  'How long have you had it?',
  'Can you hold it until Friday?',
];
export const answers = [
  'Yes, it is.',
  'I will measure it tonight and write again.',
  'The price is fair as it stands, I think.',
  'All that you see is part of it.',
  'Three years, more or less.',
  'Until Friday noon, gladly.',
  'Thank you, that helps.',
];

export const openings = [
  'Ba',
  'Da',
  'Ka',
  'La',
  'Ma',
  'Na',
  'Ro',
  'Sa',
  'Ta',
  'Vi',
  'Li',
  'Jo',
  'Fe',
  'Hel',
  'Or',
  'Mi',
];
export const middles = ['ri', 'la', 'ne', 'mo', 'di', 've', 'sa', 'ta'];
export const closings = ['na', 'lo', 'ra', 'n', 's', 'la', 'mir', 'ko', 'da', 'x'];
export const surnameClosings = ['ward', 'stam', 'lind', 'berg', 'ovan', 'ely', 'ari', 'enko', 'holt', 'mont'];

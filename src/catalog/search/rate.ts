/** How good the names of one catalogue are as answers to a text; what that is in points is in score.ts. */
import { type Answers, exactTermsOf, nearTermsOf, sureTermsOf } from './answers.ts';
import { type CatalogIndex, type WordRange, wordsFrom } from './catalog-index.ts';
import { countBits } from './edits.ts';
import { type PathWay, ways } from './paths.ts';
import { exactPathPoints, type Place, places, pointsOfName, pointsWithin, type Tier, tiers } from './score.ts';
import type { SearchText, Terms } from './search-text.ts';

/** What names are measured by that answer the same words, where the path answers the others in one way. */
export interface Scale {
  readonly way: PathWay;
  /** Words that the name is to answer, and where in the order of words those are that begin with all of them. */
  readonly terms: Terms;
  readonly whole: WordRange;
  readonly wholeLetters: number;
  readonly place: Place;
  readonly isUnsure: boolean;
  readonly extraPoints: number;
}

export function scaleOf(index: CatalogIndex, { all, last, wholeOf }: SearchText, own: Terms, way: PathWay): Scale {
  const isDotted = way >= ways.dottedUnsure;
  const terms = isDotted ? last!.terms : own;
  const whole = isDotted ? last!.whole : wholeOf(own);
  return {
    way,
    terms,
    whole: wordsFrom(index, whole),
    wholeLetters: whole.length,
    place: isDotted ? places.dotted : own === all ? places.name : places.path,
    isUnsure: way === ways.unsure || way === ways.dottedUnsure,
    extraPoints: way === ways.exact || way === ways.dottedExact ? exactPathPoints : 0,
  };
}

/** Without those of the kind. None for a name that cannot have `least` with them: that is seen sooner. */
export function rateName(index: CatalogIndex, names: Answers, scale: Scale, name: number, least: number): number {
  const { terms, place, wholeLetters } = scale;
  const tier = tierOf(index, names, scale, name);
  if (tier + place + pointsWithin < least) return 0;
  const nameLetters = index.nameLetters[name]!;
  const isExact = tier === tiers.exact;
  const reordered = isExact && index.nameWholes[name] !== scale.whole.exact;
  const exactTerms = reordered ? 0 : terms & exactTermsOf(names, name);
  const askedLetters = isExact ? nameLetters : Math.min(wholeLetters, nameLetters) * surenessOf(names, name, terms);
  return pointsOfName({ tier, place, askedLetters, nameLetters, terms, exactTerms }) + scale.extraPoints;
}

function tierOf(index: CatalogIndex, names: Answers, scale: Scale, name: number): Tier {
  const { terms, whole } = scale;
  if (scale.isUnsure || (terms & ~sureTermsOf(names, name)) !== 0) return tiers.typos;
  const word = index.nameWholes[name]!;
  if (word === whole.exact) return tiers.exact;
  // The same words in another order.
  if (index.nameLetters[name] === scale.wholeLetters && (terms & ~exactTermsOf(names, name)) === 0) return tiers.exact;
  return word >= whole.from && word < whole.to ? tiers.prefix : tiers.words;
}

/** A word that is nearly there counts for half of it, one that only begins so for a quarter. */
function surenessOf(names: Answers, name: number, terms: Terms): number {
  const unsure = terms & ~sureTermsOf(names, name);
  if (unsure === 0) return 1;
  const near = countBits(unsure & nearTermsOf(names, name));
  return 1 - (near / 2 + ((countBits(unsure) - near) * 3) / 4) / countBits(terms);
}

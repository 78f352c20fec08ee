/**
 * How good a hit is, in points: 10,000 of them are a score of 1. How a name answers the words decides first: it is them,
 * it begins with them, it has them, it has them but for typing errors, its comment has them. Within that: whether the
 * name alone answers all words or the path to it helps, how much of the name was asked for, and the kind.
 */
import { countBits } from './edits.ts';
import { catalogKinds } from './kinds.ts';

export const maxPoints = 10_000;
export const scoreOf = (points: number): number => points / maxPoints;

export const tiers = { exact: 8_000, prefix: 6_000, words: 4_000, typos: 2_000, comment: 0 } as const;
export type Tier = (typeof tiers)[keyof typeof tiers];

/** Who answers: the name alone; the name with its path; the name and its path as the dots of the text say. */
export const places = { name: 1_000, path: 0, dotted: 1_400 } as const;
export type Place = (typeof places)[keyof typeof places];

const closeness = 400;
const exactness = 100;
/** The path has its words to the letter. */
export const exactPathPoints = 50;
/** Less than what anything else makes a difference of. */
const kindPoints = 3;
/** No name gets more than its tier, its place and these. */
export const pointsWithin = closeness + exactness + exactPathPoints + catalogKinds.length * kindPoints;

/** @param kind its place in catalogKinds */
export const pointsOfKind = (kind: number): number => (catalogKinds.length - 1 - kind) * kindPoints;

export const mostKindPoints = pointsOfKind(0);

export interface NameAnswer {
  readonly tier: Tier;
  readonly place: Place;
  /** Letters asked for, and letters of the name. */
  readonly askedLetters: number;
  readonly nameLetters: number;
  /** Words that the name answers, a bit each, and those of them to the letter. */
  readonly terms: number;
  readonly exactTerms: number;
}

/** Without those of the kind and the path. */
export function pointsOfName({ tier, place, askedLetters, nameLetters, terms, exactTerms }: NameAnswer): number {
  const alike = askedLetters < nameLetters ? askedLetters / nameLetters : nameLetters / Math.max(askedLetters, 1);
  const exact = exactTerms === terms ? 1 : countBits(exactTerms) / countBits(terms);
  return tier + place + Math.floor(closeness * alike) + Math.floor(exactness * exact);
}

/** Without those of the kind, and never none. @param terms words that the comment answers; `exactTerms` to the letter */
export function pointsOfComment({ terms, exactTerms }: { terms: number; exactTerms: number }): number {
  const answered = countBits(terms);
  return tiers.comment + 1 + answered * 20 + Math.floor((closeness * countBits(exactTerms)) / answered);
}

import { describe, expect, test } from 'vitest';
import { joined, wordsOf } from '../../../src/catalog/search/words.ts';

describe('a name is taken apart into words', () => {
  test.each<[string, string[]]>([
    ['orders', ['orders']],
    ['snake_case', ['snake', 'case']],
    ['SCREAMING_SNAKE', ['screaming', 'snake']],
    ['camelCase', ['camel', 'case']],
    ['PascalCase', ['pascal', 'case']],
    ['kebab-case', ['kebab', 'case']],
    ['HTTPServer2', ['http', 'server', '2']],
    ['XMLHttpRequest', ['xml', 'http', 'request']],
    ['userIDs', ['user', 'ids']],
    ['parseJSON', ['parse', 'json']],
    ['utf8', ['utf', '8']],
    ['2fa_code', ['2', 'fa', 'code']],
    ['address1', ['address', '1']],
    ['v2_2024', ['v', '2', '2024']],
    ['__private__', ['private']],
    ['trailing_', ['trailing']],
    ['a', ['a']],
    ['A', ['a']],
    ['two words', ['two', 'words']],
    ['tab\tand\nline', ['tab', 'and', 'line']],
    ['quoted "name"', ['quoted', 'name']],
    ["it's", ['it', 's']],
    ['with.dot', ['with', 'dot']],
    ['price€', ['price']],
    ['Größe', ['grosse']],
    ['GRÖSSE', ['grosse']],
    ['café', ['cafe']],
    ['cafe\u0301', ['cafe']],
    ['Ångström', ['angstrom']],
    ['søgning', ['sogning']],
    ['Łódź', ['lodz']],
    ['naïveÉtat', ['naive', 'etat']],
    ['İstanbul', ['istanbul']],
    ['ısı', ['isi']],
    ['ｆｕｌｌ_width', ['full', 'width']],
    ['ﬁeld', ['field']],
    ['x²', ['x', '2']],
    ['Заказы_Клиента', ['заказы', 'клиента']],
    ['ЗаказыКлиента', ['заказы', 'клиента']],
    ['Ὀδυσσεύς', ['οδυσσευσ']],
    ['顧客注文', ['顧', '客', '注', '文']],
    ['ユーザーID', ['ユーザー', 'id']],
    ['주문', ['주문']],
    ['عملاء', ['عملاء']],
    ['🦄_orders', ['🦄', 'orders']],
    ['🦄', ['🦄']],
    ['$$', ['$$']],
    ['%', ['%']],
    ['- -', ['--']],
    ['"', ['"']],
    ['constructor', ['constructor']],
    ['__proto__', ['proto']],
    ['', []],
    [' \t\u00a0', []],
  ])('%j: %j', (name, words) => {
    expect(wordsOf(name)).toEqual(words);
  });

  test('a word of more than 64 letters is cut, and so are words together', () => {
    expect(wordsOf('x'.repeat(100))).toEqual(['x'.repeat(64)]);
    expect(joined(['y'.repeat(50), 'z'.repeat(50)])).toBe(`${'y'.repeat(50)}${'z'.repeat(14)}`);
  });
});

import { expect, test } from 'vitest'
import { missingFields } from '../../../gateway/mapping/missing-fields.ts'
import { mistakeText } from '../../../gateway/mapping/mistake.ts'
import { mappingOf, PATH, thing } from './language.ts'

/** What is missing of a rule for one target, where the source has these fields besides the key. */
function missing(rule: string, fields: readonly string[], rest = ''): readonly string[] {
  const described = Object.fromEntries(['K', ...fields].map((name) => [name, 'text']))
  const found = missingFields(mappingOf(thing(rule, rest)), described)
  return found.map((mistake) => mistakeText(mistake).replace(`${PATH}:`, ''))
}

const LINES = `lines:
  as: list
  from: items
  order: line
  fields:
    line: POS
    net: { from: NETT, as: amount, currency: ../CUR }
    size: { as: formula, cel: 'decimal(record.QTY) * decimal(parent.FACTR)', scale: 2 }`

test('a field that the source does not have is named at every place that reads it, with the nearest', () => {
  expect(
    missing('text: TXT\nparty: { from: PRTY, as: code, name: NAME }', ['TEXT', 'PARTY', 'NAME']),
  ).toEqual([
    '5:9 fields.text: the source has no field "TXT" (did you mean "TEXT"?)',
    '6:18 fields.party.from: the source has no field "PRTY" (did you mean "PARTY"?)',
  ])
  const status = `status: { as: status, raw: STAT, cases: [{ when: 'record.STAT == "A"', code: open }] }`
  expect(missing(status, ['STATE'])).toEqual([
    '5:30 fields.status.raw: the source has no field "STAT" (did you mean "STATE"?)',
    '5:52 fields.status.cases[0].when: the source has no field "STAT" (did you mean "STATE"?)',
  ])
  expect(missing('text: K', [], 'company: BUKRS\nchangedAt: { from: AEDAT, as: date-time }')).toEqual([
    '7:20 changedAt.from: the source has no field "AEDAT" (valid: K)',
  ])
})

test('fields of lines count as well, and those of the header that a line reads', () => {
  const items = ['items.POS', 'items.NET', 'items.QTY']
  expect(missing(LINES, ['CURR', 'FACTOR', ...items])).toEqual([
    '11:20 fields.lines.fields.net.from: the source has no field "items.NETT" (did you mean "NET"?)',
    '11:48 fields.lines.fields.net.currency: the source has no field "CUR" (did you mean "CURR"?)',
    '12:33 fields.lines.fields.size.cel: the source has no field "FACTR" (did you mean "FACTOR"?)',
  ])
})

test('lines that are not there are named once, not with all their fields', () => {
  expect(missing(LINES, ['CUR', 'FACTR', 'item.POS'])).toEqual([
    '7:11 fields.lines.from: the source has no field "items" (did you mean "item"?)',
  ])
})

test('rows found by their fields need these in both lists', () => {
  const rule = `lines:
  as: list
  from: items
  where: { DOC: NO }
  order: line
  fields: { line: POS }`
  expect(missing(rule, ['NUM', 'items.POS', 'items.DOCNO'])).toEqual([
    '8:14 fields.lines.where.DOC: the source has no field "items.DOC" (valid: DOCNO, POS)',
    '8:19 fields.lines.where.DOC: the source has no field "NO" (valid: K, NUM, items)',
  ])
})

test.each([
  ['an optional field', 'number: { from: N, as: decimal, optional: true }', []],
  ['what an optional rule reads besides', 'price: { from: P, as: amount, currency: C, optional: true }', []],
  ['an optional list with its fields', `${LINES}\n  optional: true`, ['CUR', 'FACTR']],
  ['what an expression asks for', `flag: { as: formula, cel: 'has(record.F) && record.F == "X"' }`, []],
  ['what lies inside a field of which nobody knows more', 'text: DOC/HEAD/TEXT', ['DOC']],
])('%s is not missing', (_, rule, fields) => {
  expect(missing(rule, fields)).toEqual([])
})

test('an optional field that is there needs what is read with it', () => {
  expect(missing('price: { from: P, as: amount, currency: CUR, optional: true }', ['P', 'CURR'])).toEqual([
    '5:43 fields.price.currency: the source has no field "CUR" (did you mean "CURR"?)',
  ])
})

test('nothing is missing of a source that does not describe its fields', () => {
  expect(missingFields(mappingOf(thing('text: TXT')), {})).toEqual([])
})

import { expect, test } from 'vitest'
import { isDate, isDateTime, isDecimal } from '../../gateway/schemas/formats.ts'
import { readJson } from './schema-folder.ts'

test.each(['2026-09-30', '2024-02-29', '2000-02-29', '0001-01-01', '9999-12-31'])('%s is a date', (text) => {
  expect(isDate(text)).toBe(true)
})

test.each([
  ...['2026-02-29', '1900-02-29', '2026-04-31', '2026-06-31', '2026-09-31', '2026-11-31', '2026-12-32'],
  ...[
    '0000-01-01',
    '0000-00-00',
    '2026-00-10',
    '2026-13-01',
    '2026-10-00',
    '20260930',
    '2026-9-30',
    '2026-09-30 ',
  ],
  ...['2026-09-30T00:00:00Z', '２０２６-09-30', ''],
])('%j is no date', (text) => {
  expect(isDate(text)).toBe(false)
})

test.each([
  '2026-10-01T08:15:02+08:00',
  '2026-10-01T00:00:00Z',
  '2026-10-01T23:59:59.123456789-03:30',
  '2024-02-29T08:15:02.5Z',
])('%s is an instant', (text) => {
  expect(isDateTime(text)).toBe(true)
})

test.each([
  ...[
    '2026-10-01T08:15:02',
    '2026-10-01 08:15:02Z',
    '2026-10-01t08:15:02z',
    '2026-10-01T08:15Z',
    '2026-10-01',
  ],
  ...['2026-10-01T24:00:00Z', '2026-10-01T08:60:00Z', '2026-10-01T23:59:60Z', '2026-02-29T08:15:02Z'],
  ...['2026-10-01T08:15:02+24:00', '2026-10-01T08:15:02+0800', '2026-10-01T08:15:02.1234567890Z', ''],
])('%j is no instant', (text) => {
  expect(isDateTime(text)).toBe(false)
})

const DECIMALS = ['0', '0.00', '1', '-1', '10.50', '-0.01', '9'.repeat(64)]
const NOT_DECIMALS = [
  '',
  '-',
  '-0',
  '-0.00',
  '+1',
  '01',
  '1.',
  '.5',
  '1e3',
  '1,000',
  '1 000',
  '１',
  '9'.repeat(65),
]

test('a decimal has one plain notation', () => {
  expect(DECIMALS.filter((text) => !isDecimal(text))).toEqual([])
  expect(NOT_DECIMALS.filter(isDecimal)).toEqual([])
})

test('a decimal is what the published schema says it is', () => {
  const { Decimal } = Object(readJson('schemas/events/value-types.v1.json')['$defs'])
  const pattern = new RegExp(Decimal.pattern, 'u')
  for (const text of [...DECIMALS, ...NOT_DECIMALS]) {
    expect(pattern.test(text) && text.length <= Decimal.maxLength, text).toBe(isDecimal(text))
  }
})

import fc from 'fast-check'
import { expect, test } from 'vitest'
import { printableJson } from '../../gateway/json-text.ts'

test('is the same value, and nothing of it acts on a terminal', () => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.string({ unit: 'binary' }), (value, text) => {
      const all = { value, text }
      const printed = printableJson(JSON.stringify(all, null, 2))
      expect(printed).not.toMatch(
        /[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/,
      )
      expect(JSON.stringify(JSON.parse(printed))).toBe(JSON.stringify(JSON.parse(JSON.stringify(all))))
    }),
    { numRuns: 30 },
  )
})

test('leaves ordinary text of every language as it is', () => {
  const json = JSON.stringify({ item: '螺栓 M8', note: 'Đơn "5"\n\\' })
  expect(printableJson(json)).toBe(json)
})

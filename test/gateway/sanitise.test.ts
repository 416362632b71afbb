import fc from 'fast-check'
import { expect, test } from 'vitest'
import { sanitise } from '../../gateway/sanitise.ts'

test('leaves ordinary text of every language alone', () => {
  for (const text of [
    'PO 4500001234, 1.234,50 € (net)',
    '螺栓 M8 不锈钢',
    'Đơn đặt hàng số 5: đã duyệt',
    '部品 ｶﾀｶﾅ',
    'C:\\drop\\in {a: "b"}',
    'naïve é 👍 ❤\ufe0f',
  ])
    expect(sanitise(text)).toBe(text)
})

test('makes one line of many, with the breaks to be seen', () => {
  expect(sanitise('a\r\nb\tc\u2028d\u0085e')).toBe('a\\r\\nb\\tc\\u2028d\\x85e')
})

test('lets nothing steer a terminal', () => {
  expect(sanitise('\x1b[2J\x1b]0;owned\x07\x9b31mred\x08\x00\x7f')).toBe(
    '\\x1b[2J\\x1b]0;owned\\x07\\x9b31mred\\x08\\x00\\x7f',
  )
})

test('lets nothing reorder or hide what is read', () => {
  expect(sanitise('pay\u202e001\u202c \u2066x\u2069 a\u200bb\u200dc \ufeff\u00ad\u061c\u3164')).toBe(
    'pay\\u202e001\\u202c \\u2066x\\u2069 a\\u200bb\\u200dc \\ufeff\\xad\\u061c\\u3164',
  )
  expect(sanitise('\u0600\u06dd\ufff9\u{110bd}')).toBe('\\u0600\\u06dd\\ufff9\\u{110bd}')
  expect(sanitise('tag\u{e0041} half\ud83d end')).toBe('tag\\u{e0041} half\\ud83d end')
})

test('gives text that is safe whatever comes in, and is the same when sanitised again', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      const safe = sanitise(text)
      expect(safe).not.toMatch(/[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/)
      expect(safe.isWellFormed()).toBe(true)
      expect(sanitise(safe)).toBe(safe)
    }),
  )
})

import { expect, test } from 'vitest'
import { textTable, width } from '../../../gateway/cli/text-table.ts'

test('columns stay aligned whatever the script of their cells', () => {
  const table = textTable(
    ['NAME', 'COUNT', 'NOTE'],
    [
      ['螺栓 M8', '1', 'steel'],
      ['ｶﾀｶﾅ', '22', ''],
      ['Đơn hàng', '333', 'n\u0303ame'],
    ],
  )
  const lines = table.trimEnd().split('\n')
  expect(lines).toEqual([
    'NAME      COUNT  NOTE',
    '螺栓 M8   1      steel',
    'ｶﾀｶﾅ      22',
    'Đơn hàng  333    n\u0303ame',
  ])
})

test('knows how many columns a text takes', () => {
  for (const [text, columns] of [
    ['abc', 3],
    ['采购订单', 8],
    ['한글', 4],
    ['ｶﾅ', 2],
    ['Ａ１', 4],
    ['e\u0301', 1],
    ['👍', 2],
    ['𠮷野', 4],
    ['', 0],
  ] as const) {
    expect(width(text), text).toBe(columns)
  }
})

test('a cell is one line that obeys nobody', () => {
  expect(textTable(['A'], [['x\n\x1b[2Jy']])).toBe('A\nx\\n\\x1b[2Jy\n')
})

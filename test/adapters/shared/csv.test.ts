import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { CsvItem } from '../../../adapters/shared/formats/csv.ts'
import { csvFormat, decodeCsv } from '../../../adapters/shared/formats/csv.ts'

type Settings = Readonly<Record<string, unknown>>

async function decoded(
  bytes: Uint8Array | string,
  settings: Settings = {},
  chunkBytes = 7,
): Promise<readonly CsvItem[]> {
  const all = typeof bytes === 'string' ? new TextEncoder().encode(bytes) : bytes
  const format = csvFormat.parse({ kind: 'csv', ...settings })
  async function* chunks(): AsyncGenerator<Uint8Array> {
    for (let begin = 0; begin < all.length; begin += chunkBytes) yield all.subarray(begin, begin + chunkBytes)
  }
  return (await Array.fromAsync(decodeCsv(chunks(), format))).flat()
}

function shown(items: readonly CsvItem[]): readonly string[] {
  return items.map((item) => {
    if (item.kind === 'header') return `header ${item.columns.join('|')}`
    if (item.kind === 'record') return `${item.number}@${item.line} ${item.values.join('|')}`
    if (item.kind === 'fault') return `fault ${item.reason}`
    return `${item.number}@${item.line} bad: ${item.reason}: ${new TextDecoder('latin1').decode(item.raw)}`
  })
}

describe('a CSV file', () => {
  test('gives values as they are written, trimming nothing', async () => {
    const items = await decoded('a,b\n 0010 ,1.10\n"x ""y""\r\nz",\n')
    expect(shown(items)).toEqual(['header a|b', '1@2  0010 |1.10', '2@3 x "y"\r\nz|'])
  })

  test('skips empty lines and keeps counting them', async () => {
    expect(shown(await decoded('a\r\n\r\n1\r\n\n\n2'))).toEqual(['header a', '1@3 1', '2@6 2'])
  })

  test('hands over a record with too few or too many values, and carries on', async () => {
    expect(shown(await decoded('a,b\n1\n2,3\n4,5,6\n7,8\n'))).toEqual([
      'header a|b',
      '1@2 bad: has 1 values, the header 2 columns: 1',
      '2@3 2|3',
      '3@4 bad: has 3 values, the header 2 columns: 4,5,6',
      '4@5 7|8',
    ])
  })

  test('hands over bad quotes, each with its own line alone', async () => {
    const items = await decoded(
      'a,b\n5" pipe,1\n"x" y,2\nok,3\n"never closed,4\nfine,5\n"also not,6\nlast,7\n',
    )
    expect(shown(items)).toEqual([
      'header a|b',
      '1@2 bad: has a quote in the middle of a value that is not quoted: 5" pipe,1',
      '2@3 bad: has text behind a closing quote: "x" y,2',
      '3@4 ok|3',
      '4@5 bad: has a quote that is not closed: "never closed,4',
      '5@6 fine|5',
      '6@7 bad: has a quote that is not closed: "also not,6',
      '7@8 last|7',
    ])
  })

  test('spoils one line by a quote that is never closed', async () => {
    expect(shown(await decoded('a,b\n"never closed,1\n2,3\n4,5\n'))).toEqual([
      'header a|b',
      '1@2 bad: has a quote that is not closed: "never closed,1',
      '2@3 2|3',
      '3@4 4|5',
    ])
  })

  test('gives up a quote that is open over too many lines, and reads these lines', async () => {
    const lines = Array.from({ length: 300 }, (_, index) => `${index},x`)
    const items = await decoded(`a,b\n"open,0\n${lines.join('\n')}\n`, {}, 4096)
    expect(items.filter((item) => item.kind === 'unreadable')).toHaveLength(1)
    expect(items.filter((item) => item.kind === 'record')).toHaveLength(300)
  })

  test('hands over a value of 3 MB by its beginning, and holds no more of it', async () => {
    const items = await decoded(`a,b\n${'x'.repeat(3_000_000)},1\n2,3\n`, {}, 65_536)
    expect(items.map((item) => item.kind)).toEqual(['header', 'unreadable', 'record'])
    const [, long] = items
    expect(long?.kind === 'unreadable' && long.raw.length).toBe(65_536)
    expect(shown(items).at(-1)).toBe('2@3 2|3')
  })

  test('hands over bytes that are not in the encoding', async () => {
    const bytes = Uint8Array.of(0x61, 0x0a, 0xff, 0x0a, 0x32, 0x0a)
    for (const encoding of ['utf-8', 'gb18030', 'big5'])
      expect(shown(await decoded(bytes, { encoding })), encoding).toEqual([
        'header a',
        `1@2 bad: is not written in ${encoding}: \u00ff`,
        '2@3 2',
      ])
  })

  test('hands over a character that a line end cuts in two', async () => {
    const bytes = Uint8Array.of(0x61, 0x0a, 0xd6, 0x0a, 0x32, 0x0a)
    expect(shown(await decoded(bytes, { encoding: 'gb18030' })).at(1)).toContain('is not written in gb18030')
    expect(shown(await decoded(bytes, { encoding: 'gb18030' })).at(2)).toBe('2@3 2')
  })

  test('hands over a NUL character', async () => {
    expect(shown(await decoded('a\nx\u0000y\n')).at(1)).toContain('holds a NUL character')
  })

  test('reads UTF-16 with its byte order mark, at any cut of the chunks', async () => {
    const text = '\ufeffa,b\r\n中,"文\r\n2"\r\n3,4\r\n'
    const bytes = new Uint8Array(Buffer.from(text, 'utf16le'))
    for (const chunk of [1, 2, 3, 5, 100])
      expect(shown(await decoded(bytes, { encoding: 'utf-16le' }, chunk))).toEqual([
        'header a|b',
        '1@2 中|文\r\n2',
        '2@4 3|4',
      ])
  })

  test('sees no delimiter inside a character of two bytes', async () => {
    // 82 7C is 俓, and 7C alone the delimiter: behind it a quote would open a value.
    const bytes = Uint8Array.of(
      0x61,
      0x7c,
      0x62,
      0x0a,
      0x31,
      0x7c,
      0x82,
      0x7c,
      0x22,
      0x0a,
      0x32,
      0x7c,
      0x33,
      0x0a,
    )
    const said = shown(await decoded(bytes, { encoding: 'gb18030', delimiter: '|' }))
    expect(said[1]).toContain('has a quote in the middle of a value that is not quoted')
    expect(said[2]).toBe('2@3 2|3')
  })

  test('reads four-byte characters of GB 18030, whatever the chunks', async () => {
    // U+1F600 is 94 39 FC 36; U+20AC is A2 E3.
    const bytes = Uint8Array.of(0x61, 0x0a, 0x94, 0x39, 0xfc, 0x36, 0xa2, 0xe3, 0x0a)
    for (const chunk of [1, 2, 3, 9])
      expect(shown(await decoded(bytes, { encoding: 'gb18030' }, chunk))).toEqual(['header a', '1@2 😀€'])
  })

  test('takes the columns from the settings where the file names none', async () => {
    expect(shown(await decoded('1\t2\n', { delimiter: '\t', header: ['a', 'b'] }))).toEqual([
      'header a|b',
      '1@1 1|2',
    ])
  })

  test.each([
    ['', 'its header is missing: the file is empty'],
    ['a,b,a\n1,2,3\n', 'its header names a twice'],
    ['a,,c\n1,2,3\n', 'its header has no name for column 2'],
    ['a,"b\n', 'its header has a quote that is not closed'],
  ])('is no table without a proper header: %j', async (text, reason) => {
    expect(shown(await decoded(text))).toEqual([`fault ${reason}`])
  })

  test('comes back as it was written, whatever the values and the cut of the chunks', async () => {
    const value = fc.string({ unit: 'grapheme', maxLength: 12 }).map((text) => text.replaceAll('\u0000', ''))
    const rows = fc.array(fc.tuple(value, value), { minLength: 1, maxLength: 8 })
    await fc.assert(
      fc.asyncProperty(rows, fc.integer({ min: 1, max: 40 }), async (table, chunk) => {
        const text = ['"x","y"', ...table.map((row) => row.map(quoted).join(','))].join('\n')
        const items = await decoded(text, {}, chunk)
        const values = items.flatMap((item) => (item.kind === 'record' ? [item.values] : []))
        expect(values).toEqual(table)
      }),
      { numRuns: 150 },
    )
  })
})

function quoted(value: string): string {
  return `"${value.replaceAll('"', '""')}"`
}

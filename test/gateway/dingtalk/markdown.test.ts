import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  CUT_MARK,
  cutToFit,
  escapeMarkdown,
  plainText,
  VALUE_CHARACTERS_MAX,
} from '../../../gateway/dingtalk/markdown.ts'
// @ts-expect-error A module of the emulator's page, for browsers and without types.
import { parseMarkdown } from '../../lab/dingtalk/page/markdown.mjs'

type Inline = { kind: string; text?: string; inline?: readonly Inline[] }
type Block = { kind: string; inline?: readonly Inline[] }

const parse = parseMarkdown as (text: string) => readonly Block[]

/** What a reader sees, when it is one paragraph of text and nothing else; null when it is anything more. */
function shown(markdown: string): string | null {
  const blocks = parse(markdown)
  const [block] = blocks
  if (blocks.length !== 1 || block?.kind !== 'paragraph') return null
  if (block.inline?.some(({ kind }) => kind !== 'text')) return null
  return (block.inline ?? []).map(({ text }) => text).join('')
}

const seen = (text: string) => text.replaceAll('\u200B', '')

const CORPUS = [
  '[请立即登录](http://evil.example)',
  '![x](https://evil.example/p.png)',
  '[x][1]\n\n[1]: http://evil.example',
  '# heading',
  '#tag',
  '- item',
  '+ item',
  '* item',
  '1. item',
  '=====',
  '-----',
  '> quote',
  '| a | b |',
  '**bold** __bold__ *it* _it_ ~~gone~~ `code`',
  '```js\nalert(1)\n```',
  '<script>alert(1)</script>',
  '<img src=x onerror=alert(1)>',
  '<http://evil.example>',
  '&#91;x&#93;(http://evil.example)',
  'http://evil.example',
  'see https://evil.example/a?b=c',
  'www.evil.example',
  'dingtalk://dingtalkclient/page/link?url=x',
  'javascript:alert(1)',
  'data:text/html,x',
  'mailto:a@b.example',
  '@all',
  '@所有人',
  '@138 0000 0000',
  'a@b.example',
  '{data.number}',
  '{{data.number|text}}',
  '{event.subject}',
  '$' + '{process.env.SECRET}',
  '%s %n',
  '\\[x](http://evil.example)',
  '\\\\[x](http://evil.example)',
  'trailing \\',
  'line\nbreak',
  'line\r\n\r\n# heading',
  'tab\there',
  'sep\u2028arated\u2029',
  '\u202Egnp.exe',
  '\u2066isolate\u2069',
  'zero\u200Bwidth\u200Djoiner\uFEFF',
  '\u0000\u0007\u001b[31mred',
  '\u{E0041}\u{E0042}tags',
  '\uD800 lone',
  '👨‍👩‍👧 family 🏳️‍🌈',
  '螺栓 M8 不锈钢',
  'Bu lông M8',
  '  spaced   out  ',
]

test.each(CORPUS)('shows %j as text and as nothing else', (value) => {
  const markdown = escapeMarkdown(value)
  for (const place of [markdown, `before ${markdown} after`]) expect(shown(place), markdown).not.toBeNull()
  const titles = [markdown, plainText(value)]
  for (const text of titles) {
    expect(text).not.toMatch(/[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff\u{e0000}-\u{e007f}]/u)
    expect(text).not.toMatch(/@(?!\u200B)/)
    expect(text).not.toMatch(/:\/\//)
    expect(text.isWellFormed()).toBe(true)
  }
  // Even a renderer that knows no escapes finds no link and no picture, since a backslash stands inside each.
  expect(markdown).not.toMatch(/\]\(/)
  expect(markdown).not.toMatch(/<\w/)
})

test('shows any value as text, at the start of a line and in the middle', () => {
  fc.assert(
    fc.property(
      fc.oneof(fc.string(), fc.string({ unit: fc.constantFrom(...'[]()!<>*_#`|\\~@:/.-+=&1 \n'.split('')) })),
      (value) => {
        const markdown = escapeMarkdown(value)
        const isEmpty = plainText(value) === ''
        expect(shown(`${markdown}`) !== null || isEmpty).toBe(true)
        expect(shown(`x ${markdown} y`)).not.toBeNull()
        if (!isEmpty) expect(seen(shown(markdown) ?? '')).toBe(seen(plainText(value)))
      },
    ),
    { numRuns: 2_000 },
  )
})

test('cuts a value of 20 kB at a character, with a mark', () => {
  const cut = escapeMarkdown('🔩'.repeat(5_000))
  expect([...cut]).toHaveLength(VALUE_CHARACTERS_MAX + 1)
  expect(cut.endsWith(`🔩${CUT_MARK}`)).toBe(true)
})

test('cuts a text to bytes at a character border, and leaves no half of an escape', () => {
  const unit = '螺\\[a\\]&lt;b&gt;\\\\🔩 '
  const text = unit.repeat(200)
  for (let bytes = 20; bytes < 200; bytes += 1) {
    const cut = cutToFit(text, (candidate) => Buffer.byteLength(candidate) <= bytes)
    expect(Buffer.byteLength(cut)).toBeLessThanOrEqual(bytes)
    expect(Buffer.byteLength(cut)).toBeGreaterThan(bytes - 12)
    expect(cut.isWellFormed()).toBe(true)
    const shownCut = shown(cut)
    expect(shownCut).not.toBeNull()
    // No escape is left open: every visible character is one of the whole text.
    expect('螺[a]<b>\\🔩 '.repeat(200).startsWith((shownCut ?? '').slice(0, -1).trimEnd())).toBe(true)
  }
})

test('leaves a text alone that fits', () => {
  expect(cutToFit('abc', () => true)).toBe('abc')
})

import { describe, expect, test } from 'vitest'
import {
  formatAmount,
  formatDate,
  formatDecimal,
  formatQuantity,
  LANGUAGES,
} from '../../../gateway/dingtalk/figures.ts'
import { renderMessage } from '../../../gateway/dingtalk/messages.ts'
import { loadTemplates, type Template } from '../../../gateway/dingtalk/templates.ts'
import type { Files } from '../../../gateway/ports.ts'
import { eventOf, TEMPLATES } from './world.ts'

const COMPANY = { code: '001', name: 'Example Trading' }

function templateNamed(name: string): Template {
  const template = TEMPLATES.named.get(name)
  if (template === undefined) throw new Error(`no template ${name}`)
  return template
}

function files(texts: Readonly<Record<string, string>>): Files {
  return {
    read: (path) => texts[path] ?? null,
    list: (folder) => {
      const names = Object.keys(texts)
        .filter((path) => path.startsWith(`${folder}/`))
        .map((path) => path.slice(folder.length + 1))
      return names.filter((name) => !name.includes('/'))
    },
  }
}

function templateFile(text: string): string {
  const one = (language: string) => `  ${language}: { title: T, text: ${JSON.stringify(text)} }`
  return `summary: s\nlanguages:\n${LANGUAGES.map(one).join('\n')}\n`
}

function render(
  text: string,
  data: NonNullable<Parameters<typeof eventOf>[0]['data']>,
  language: (typeof LANGUAGES)[number] = 'en',
) {
  const template = loadTemplates(files({ 't/a.yaml': templateFile(text) }), 't').named.get('a')
  if (template === undefined) throw new Error('no template')
  const about = { event: eventOf({ number: 'P1', data }), action: 'created', company: COMPANY }
  return renderMessage(template, TEMPLATES.words, about, { language, zone: 'Asia/Ho_Chi_Minh' })
}

describe('figures', () => {
  test.each([
    ['1234567.50', 'en', false, '1,234,567.50'],
    ['1234567.50', 'vi', false, '1.234.567,50'],
    ['-1234.00', 'zh-CN', false, '-1,234.00'],
    ['1000.000', 'zh-HK', true, '1,000'],
    ['0.500', 'en', true, '0.5'],
    ['999', 'en', true, '999'],
    [
      '123456789012345678901234567890.123456789',
      'en',
      false,
      '123,456,789,012,345,678,901,234,567,890.123456789',
    ],
  ] as const)('write %s in %s exactly', (value, language, trim, wanted) => {
    expect(formatDecimal(value, language, trim)).toBe(wanted)
  })

  test.each(['', '1e3', '1,000', 'NaN', '1.', '.5', '0x10', '１'])('are not made of %j', (value) => {
    expect(formatDecimal(value, 'en', false)).toBeNull()
  })

  test('name their currency and their unit', () => {
    const unit = (code: string) => TEMPLATES.words.get('units')?.get(code)?.vi ?? code
    expect(formatAmount({ value: '12.50', currency: 'HKD' }, 'zh-HK')).toBe('HKD 12.50')
    expect(formatAmount({ value: '12000', currency: 'VND' }, 'vi')).toBe('12.000 VND')
    expect(formatQuantity({ value: '12.000', unit: 'H87' }, 'vi', unit)).toBe('12 cái')
    expect(formatQuantity({ value: '12.000', unit: 'ZZ9' }, 'vi', unit)).toBe('12 ZZ9')
    expect(formatAmount('12.50', 'en')).toBeNull()
  })

  test('keep a business date the day that it is, and put an instant into the zone of its reader', () => {
    expect(LANGUAGES.map((language) => formatDate('2026-03-09', language, 'Pacific/Apia'))).toEqual([
      '09/03/2026',
      '2026年3月9日',
      '2026年3月9日',
      '9 Mar 2026',
    ])
    expect(formatDate('2026-10-01T23:30:00+08:00', 'en', 'Asia/Ho_Chi_Minh')).toBe('1 Oct 2026 22:30')
    expect(formatDate('2026-10-01T23:30:00.123456Z', 'zh-CN', 'Asia/Shanghai')).toBe('2026年10月2日 07:30')
    expect(formatDate('2026-10-01T00:00:00Z', 'vi', 'UTC')).toBe('01/10/2026 00:00')
    expect(formatDate('2026-10-01T23:30:00', 'en', 'UTC')).toBeNull()
    expect(formatDate('soon', 'en', 'UTC')).toBeNull()
  })
})

describe('the templates of the house', () => {
  const names = [...TEMPLATES.named.keys()].sort()

  test('are there, each in four languages', () => {
    expect(names).toEqual(['default', 'order-released', 'order-waits', 'payment-approved', 'stock-low'])
  })

  test('say the whole of a payment', () => {
    const about = { event: eventOf({ number: '5100000001' }), action: 'changed', company: COMPANY }
    const { message, missing } = renderMessage(templateNamed('payment-approved'), TEMPLATES.words, about, {
      language: 'zh-HK',
      zone: 'UTC',
    })
    expect(missing).toEqual([])
    expect(message).toEqual({
      title: '付款 5100000001 已批核：HKD 1,234,567.50',
      text: [
        '### 付款已批核',
        '',
        '**HKD 1,234,567.50** 付予 100077 深圳螺栓厂',
        '',
        '- 單據編號：5100000001',
        '- 到期日：2026年3月31日',
        '- 批核人：CHAN',
        '',
        'Example Trading',
      ].join('\n'),
    })
  })

  test('name what happened to anything at all, in the words of the reader', () => {
    const about = {
      event: eventOf({ number: 'X/1', entity: 'item-plant' }),
      action: 'deleted',
      company: COMPANY,
    }
    const titles = LANGUAGES.map(
      (language) =>
        renderMessage(templateNamed('default'), TEMPLATES.words, about, { language, zone: 'UTC' }).message
          .title,
    )
    expect(titles).toEqual([
      'item-plant X/1: đã xóa',
      'item-plant X/1：已删除',
      'item-plant X/1：已刪除',
      'item-plant X/1: deleted',
    ])
  })
})

describe('a placeholder', () => {
  test('is filled in one pass: a value that looks like one stays as it is', () => {
    const { message } = render('{data.a} {data.b}', { a: '{data.b}', b: '{company.name}' })
    expect(message.text).toBe('{data.b} {company.name}')
  })

  test('without a value shows a dash and is named', () => {
    const { message, missing } = render(
      '{data.a} {data.b.c} {data.d|amount} {data.e|date} {data.constructor.name}',
      {
        a: null,
        b: 'text',
        d: { value: 'many', currency: 'HKD' },
        e: '20261001',
      },
    )
    expect(message.text).toBe('— — — — —')
    expect(missing).toEqual(['data.a', 'data.b.c', 'data.d', 'data.e', 'data.constructor.name'])
  })

  test('takes a number, a truth, a code with its name, and a brace that is meant', () => {
    const { message } = render('{{{data.n}}} {data.t} {data.c} {data.d} {data.s|status}', {
      n: 7,
      t: true,
      c: { code: '4711', raw: '000004711', name: 'Bolt' },
      d: { code: '4711', raw: '4711', name: null },
      s: { code: 'part-received', raw: 'X' },
    })
    expect(message.text).toBe('{7} true 4711 Bolt 4711 partly received')
  })

  test('cannot bring a line, a link or a mention into the message', () => {
    const { message } = render('- {data.a}', { a: 'x\n\n# y [z](http://evil.example) @all' })
    expect(message.text).toBe('- x \\# y \\[z\\]\\(http:\u200B//evil.example\\) @\u200Ball')
  })
})

test('a folder with mistakes is refused with each of them, by file and place', () => {
  const bad = {
    't/a.yaml': templateFile('{data.x|money} {data} {customer.name} {data.y|text|date} } {data.z'),
    't/b.yaml': 'summary: s\nlanguages: { en: { title: T, text: x } }\nextra: 1\n',
    't/c.yaml': 'summary: [\n',
    't/words/units.yaml': 'summary: s\nwords: { H87: { en: pcs } }\n',
  }
  let message = ''
  try {
    loadTemplates(files(bad), 't')
  } catch (error) {
    message = String(error)
  }
  const lines = message.split('\n').filter((line) => line.startsWith('t/'))
  expect(lines.filter((line) => line.startsWith('t/a.yaml: languages.en.text'))).toEqual([
    't/a.yaml: languages.en.text: "{data.x|money}" has no known format; there are text, amount, quantity, date, status',
    't/a.yaml: languages.en.text: "{data}" is no path; one begins with data., event. or company.',
    't/a.yaml: languages.en.text: "{customer.name}" is no path; one begins with data., event. or company.',
    't/a.yaml: languages.en.text: "{data.y|text|date}" has more than one format',
    't/a.yaml: languages.en.text: a "}" stands alone; write "}}"',
    't/a.yaml: languages.en.text: a "{" stands alone; write "{{"',
  ])
  expect(lines.filter((line) => line.startsWith('t/b.yaml')).length).toBeGreaterThanOrEqual(4)
  expect(lines.some((line) => line.startsWith('t/c.yaml:'))).toBe(true)
  expect(lines.some((line) => line.startsWith('t/words/units.yaml: words.H87'))).toBe(true)
})

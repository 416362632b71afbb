import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Json } from '../../../adapters/contract.ts'
import type { Event } from '../../../gateway/event.ts'
import { conditionValues, conditionVariables } from '../../../gateway/mapping/condition.ts'
import {
  compileExpression,
  createExpressionEnvironment,
  EXPRESSION_LENGTH_MAX,
} from '../../../gateway/mapping/expression.ts'
import type { FieldType, ObjectType } from '../../../gateway/mapping/field-type.ts'
import { mistakeText } from '../../../gateway/mapping/mistake.ts'

const text: FieldType = { kind: 'string', nullable: false }
const decimal: FieldType = { kind: 'decimal', nullable: false }
const maybe = (type: FieldType): FieldType => ({ ...type, nullable: true })
const object = (fields: Record<string, FieldType>): ObjectType => ({
  kind: 'object',
  fields,
  nullable: false,
})

const amount = object({ value: decimal, currency: text })
const data = object({
  number: text,
  status: object({ code: { ...text, values: ['pending', 'released', 'closed'] }, raw: maybe(text) }),
  orderDate: { kind: 'date', nullable: false },
  approvedAt: { kind: 'date-time', nullable: true },
  revisionCount: { kind: 'integer', nullable: false },
  blocked: { kind: 'boolean', nullable: false },
  buyer: maybe(text),
  totals: object({ net: amount, tax: maybe(amount) }),
  reorderPoint: maybe(amount),
  names: { kind: 'map', of: text, nullable: false },
  lines: {
    kind: 'list',
    nullable: false,
    of: object({ line: text, net: amount, dueDate: { kind: 'date', nullable: true } }),
  },
})

const conditions = createExpressionEnvironment(conditionVariables(data))
const records = createExpressionEnvironment({
  record: { kind: 'text-fields' },
  parent: { kind: 'text-fields' },
})
const where = { file: 'gateway.yaml', line: 7, column: 11, field: 'routes.big.when' }

const order: Json = {
  number: '4711',
  status: { code: 'pending', raw: null },
  orderDate: '2026-10-01',
  approvedAt: '2026-10-01T08:15:02.5+08:00',
  revisionCount: 3,
  blocked: false,
  buyer: null,
  totals: { net: { value: '10000.50', currency: 'CNY' }, tax: null },
  names: { vi: 'Bu lông', 'zh-CN': '螺栓' },
  lines: [
    { line: '10', net: { value: '9999999999999999.01', currency: 'CNY' }, dueDate: null },
    { line: '20', net: { value: '-0.50', currency: 'CNY' }, dueDate: '2026-12-24' },
  ],
}
const changed = Object.fromEntries(Object.keys(data.fields).map((name) => [name, name === 'status']))
const event = { origin: 'live', action: 'changed', source: '/erp/k3/001', subject: '4711', revision: 2 }

function ask(source: string, values: Record<string, Json> = { data: order, changed, event }): unknown {
  const compiled = compileExpression(source, conditions, where, null)
  if (compiled.kind === 'invalid') throw new Error(mistakeText(compiled.mistake))
  const evaluated = compiled.expression.evaluate(values)
  return evaluated.kind === 'value' ? evaluated.value : evaluated
}

function refusal(source: string, environment = conditions): string {
  const compiled = compileExpression(source, environment, where)
  return compiled.kind === 'invalid' ? mistakeText(compiled.mistake) : 'accepted'
}

describe('a condition', () => {
  test.each([
    ['data.totals.net.value >= 10000', true],
    ['data.totals.net.value > decimal("10000.50")', false],
    ['data.totals.net.value == decimal("10000.5")', true],
    ['10000 < data.totals.net.value', true],
    ['data.totals.net.value + data.totals.net.value == 20001', true],
    ['data.totals.net.value * 3 - 1 == decimal("30000.5")', true],
    ['-data.totals.net.value < 0', true],
    ['data.lines[0].net.value == decimal("9999999999999999.01")', true],
    ['changed.status && data.status.code == "pending"', true],
    ['changed.buyer', false],
    ['data.status.code in ["released", "closed"]', false],
    ['has(data.reorderPoint) && data.totals.net.value < data.reorderPoint.value', false],
    ['!has(data.buyer) || data.buyer == "x"', true],
    ['has(data.buyer) ? data.buyer == "x" : data.blocked', false],
    ['data.lines.exists(l, l.net.value < 0)', true],
    ['data.lines.all(l, !has(l.dueDate) || l.dueDate > "2026-12-01")', true],
    ['data.lines.filter(l, has(l.dueDate)).size() == 1', true],
    ['data.lines.map(l, l.net.value)', ['9999999999999999.01', '-0.50']],
    ['data.orderDate + 30 == date("2026-10-31")', true],
    ['data.orderDate - date("2026-09-01")', '30'],
    ['has(data.approvedAt) && data.approvedAt < "2026-10-01T00:15:03Z"', true],
    ['has(data.names.vi) && data.names.vi == "Bu lông"', true],
    ['has(data.names.en) && data.names.en == "x"', false],
    ['event.revision == 2 && event.origin == "live"', true],
    ['data.number.startsWith("47") && size(data.number) == 4', true],
    ['divide(data.totals.net.value, 3, 2)', '3333.50'],
    ['round(decimal("1.55"), currencyDecimals("JPY"))', '2'],
    ['round(decimal("1.555"), currencyDecimals("HKD"))', '1.56'],
    ['round(data.totals.net.value, 0)', '10001'],
    ['string(data.totals.net.value) + "!"', '10000.50!'],
  ])('%s', (source, expected) => {
    expect(ask(source)).toEqual(expected)
  })

  test.each([
    [
      'data.totals.nett.value > 1',
      'gateway.yaml:7:23 routes.big.when: there is no field "nett" (did you mean "net"?)',
    ],
    ['data.totals.net.value > 10000.50', 'write decimal("10000.50")'],
    ['data.totals.net.value > "10000"', 'write the number without quotes'],
    ['data.number > 5', 'text and an integer do not go together with ">"'],
    ['data.status.code == "relased"', '"relased" is never found here (did you mean "released"?)'],
    ['data.status.code in ["closed", "open"]', '"open" is never found here'],
    ['event.origin == "first"', 'is never found here'],
    ['chnaged.status', 'there is no "chnaged" here (did you mean "changed"?)'],
    ['changed.statuss', 'did you mean "status"?'],
    ['data.buyer == "x"', 'data.buyer may be null: write has(data.buyer) && …'],
    ['has(data.buyer) || data.buyer == "x"', 'may be null'],
    ['data.buyer == "x" && has(data.buyer)', 'may be null'],
    ['!has(data.buyer) && data.buyer == "x"', 'may be null'],
    ['(has(data.buyer) || data.blocked) && data.buyer == "x"', 'may be null'],
    ['has(data.buyer) ? data.blocked : data.buyer == "x"', 'may be null'],
    ['data.totals.tax.value > 1', 'data.totals.tax may be null'],
    ['has(data.reorderPoint.value)', 'data.reorderPoint may be null'],
    ['data.lines.exists(l, l.dueDate < "2026-12-01")', 'l.dueDate may be null'],
    ['data.lines.exists(data, data.line == "1")', '"data" is taken'],
    ['data.names.vi == "x"', 'data.names.vi may be null'],
    ['data.buyer == null', 'ask has(field)'],
    ['data.number.matches("(a+)+$")', 'matches() is not offered'],
    ['data.orderDate < "2026-13-01"', '"2026-13-01" is not a date'],
    ['data.orderDate < data.number', 'text is compared with a date by date(…)'],
    ['data.totals.net == data.totals.net', 'do not go together'],
    ['data.totals.net.value / 2 > 1', 'write divide(a, b, decimals)'],
    ['data.totals.net.value', 'this gives a decimal, and true or false is needed'],
    [
      'timestamp("2026-10-01T00:00:00Z") > timestamp("2026-10-01T00:00:00Z")',
      'there is no function "timestamp"',
    ],
    ['double(1) > double(2)', 'use decimal()'],
    ['cel.bind(x, 1, x > 0)', 'there is no function "bind"'],
    ['dyn(data.number) == 5', 'there is no function "dyn"'],
    ['decimal("1,5") > 1', '"1,5" is not a decimal number'],
    ['data.blocked && ', 'Unexpected token'],
    ['[1, 2].exists(a, [1, 2].exists(b, [1, 2].exists(c, a == c)))', '2 deep, no deeper'],
  ])('refuses %s', (source, expected) => {
    expect(refusal(source)).toContain(expected)
  })

  test('looks through the lists of an element, and not through a whole list for each element', () => {
    const nested = 'data.lines.exists(a, data.lines.exists(b, a.line == b.line))'
    expect(refusal(nested)).toContain('only lists of a can be looked through')
    expect(refusal(nested.replace('data.lines.exists(b', 'data.lines.filter(x, true).exists(b'))).toContain(
      'only lists of a',
    )
    expect(refusal('data.lines.exists(a, ["1", "2"].exists(b, a.line == b))')).toBe('accepted')
  })

  test('looks through a written list for each element only where it is short [P6]', () => {
    for (const [length, expected] of [
      [20, 'accepted'],
      [21, '20 elements at most'],
    ] as const) {
      const written = `[${Array(length).fill('1').join(', ')}]`
      expect(refusal(`${written}.exists(a, a > 1)`)).toBe('accepted')
      expect(refusal(`data.lines.exists(a, ${written}.exists(b, b > 1))`)).toContain(expected)
      expect(refusal(`[1].exists(a, ${written}.map(b, b + a).exists(c, c > 1))`)).toContain(expected)
    }
  })

  test('is limited in length, in parts and in depth', () => {
    expect(refusal(`data.number == "${'x'.repeat(EXPRESSION_LENGTH_MAX)}"`)).toContain(
      'at most 4096 characters',
    )
    const many = Array.from({ length: 200 }, () => 'data.blocked').join('&&')
    expect(refusal(many)).toContain('Exceeded max')
    expect(refusal(`${'!'.repeat(600)}data.blocked`)).toContain('Exceeded max')
    expect(refusal(`${'('.repeat(100)}data.blocked${')'.repeat(100)}`)).toContain('Exceeded max')
  })

  test('points at the mistake with a caret, also in a text of several lines', () => {
    const compiled = compileExpression('data.blocked &&\n  data.numbr == "1"', conditions, where)
    expect(compiled.kind === 'invalid' && compiled.mistake.message.split('\n').slice(1)).toEqual([
      '      data.numbr == "1"',
      '           ^',
    ])
  })

  test('that cannot be evaluated is failed, never false and never thrown', () => {
    expect(ask('data.lines[7].net.value > 1')).toMatchObject({ kind: 'failed' })
    expect(ask('data.number == "1"', { data: {}, changed, event })).toMatchObject({ kind: 'failed' })
    expect(ask('data.number == "1"', {})).toMatchObject({ kind: 'failed' })
    const wrong = { ...order, totals: { net: { value: 1.5, currency: 'CNY' }, tax: null } }
    expect(ask('data.totals.net.value > 1', { data: wrong })).toEqual({
      kind: 'failed',
      reason: 'data.totals.net.value is not a decimal',
    })
    expect(ask('divide(data.totals.net.value, 0, 2) > 1')).toEqual({
      kind: 'failed',
      reason: 'a division by zero',
    })
  })

  test('compares decimals of any length exactly', () => {
    const compiled = compileExpression(
      'record.a < record.b || decimal(record.a) < decimal(record.b)',
      records,
      where,
    )
    const exact = compileExpression('decimal(record.a) < decimal(record.b)', records, where)
    if (exact.kind === 'invalid' || compiled.kind === 'invalid') throw new Error('refused')
    const number = fc.tuple(fc.bigInt({ min: -(10n ** 30n), max: 10n ** 30n }), fc.nat(12))
    fc.assert(
      fc.property(number, number, ([a, aScale], [b, bScale]) => {
        const record = { a: plain(a, aScale), b: plain(b, bScale) }
        const expected = a * 10n ** BigInt(bScale) < b * 10n ** BigInt(aScale)
        expect(exact.expression.evaluate({ record })).toEqual({ kind: 'value', value: expected })
      }),
    )
  })
})

describe('the values of a condition', () => {
  const envelope = (action: string, changedfields?: string): Event => ({
    specversion: '1.0',
    id: 'x',
    type: `erp.purchase-order.${action}.v1`,
    source: '/erp/k3/001',
    subject: '4711',
    time: '2026-10-01T00:00:00Z',
    datacontenttype: 'application/json',
    dataschema: '',
    traceparent: '',
    revision: 2,
    lineage: '',
    contenthash: '',
    origin: 'sweep',
    sourcekey: '',
    sourcefingerprint: '',
    mappingversion: '',
    readorder: '',
    data: { number: '4711' },
    ...(changedfields === undefined ? {} : { changedfields }),
  })

  test('say which fields changed, and that all did in an event that creates or deletes', () => {
    const flags = (event: Event) => conditionValues(data, event)['changed']
    expect(flags(envelope('changed', 'status,totals'))).toMatchObject({
      status: true,
      totals: true,
      number: false,
    })
    expect(flags(envelope('changed'))).toMatchObject({ status: false, number: false })
    for (const action of ['created', 'deleted']) {
      expect(Object.values(flags(envelope(action)) ?? {})).toEqual(Object.keys(data.fields).map(() => true))
    }
  })

  test('name the event as its envelope does', () => {
    const values = conditionValues(data, envelope('changed', 'status'))
    expect(
      ask('event.origin == "sweep" && event.action == "changed" && event.revision == 2', { ...values }),
    ).toBe(true)
  })
})

describe('an expression on a record', () => {
  test('sees text only, so a number must be asked for', () => {
    expect(refusal('record.QTY > 5', records)).toContain('decimal(…) reads a number from text')
    expect(refusal('decimal(record.QTY) > 5', records)).toBe('accepted')
  })

  test('names the fields it reads, also those that are no identifiers', () => {
    const compiled = compileExpression('record["物料 编码"] == "A" && parent.B == record.C', records, where)
    if (compiled.kind === 'invalid') throw new Error(mistakeText(compiled.mistake))
    expect(Object.fromEntries(compiled.expression.reads)).toEqual({
      record: ['物料 编码', 'C'],
      parent: ['B'],
    })
    const values = { record: { '物料 编码': 'A  ', C: '1' }, parent: { B: 1 } }
    expect(compiled.expression.evaluate(values)).toEqual({ kind: 'value', value: true })
  })

  test('reads a null as empty text, and fails on a field that the record lacks', () => {
    const compiled = compileExpression('record.LOEKZ == ""', records, where)
    if (compiled.kind === 'invalid') throw new Error(mistakeText(compiled.mistake))
    expect(compiled.expression.evaluate({ record: { LOEKZ: null } })).toEqual({ kind: 'value', value: true })
    expect(compiled.expression.evaluate({ record: {} })).toEqual({
      kind: 'failed',
      reason: 'No such key: LOEKZ',
    })
  })
})

function plain(units: bigint, scale: number): string {
  const digits = (units < 0n ? -units : units).toString().padStart(scale + 1, '0')
  const whole = digits.slice(0, digits.length - scale)
  return `${units < 0n ? '-' : ''}${whole}${scale === 0 ? '' : `.${digits.slice(digits.length - scale)}`}`
}

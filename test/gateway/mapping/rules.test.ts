import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { apply, fieldOf, mappingOf, mistakesOf, recordOf, SOURCE, THING, thing } from './language.ts'

describe('text', () => {
  test('keeps everything but blanks at the end', () => {
    expect(apply('text: T', { T: ' 0010  ' })).toBe(' 0010')
    expect(apply('text: T', { T: '   ' })).toBe(null)
    expect(apply('text: T', { T: null })).toBe(null)
  })

  test('looks up code tables by their exact keys, whatever YAML would make of them', () => {
    const table =
      'tables: { t: { 0010: a, 10: b, 1.10: c, 1.1: d, 1E3: e, 1000: f, no: g, "false": h, ~: i, 2026-01-01: j } }'
    const rule = 'text: { from: T, table: t }'
    const keys = ['0010', '10', '1.10', '1.1', '1E3', '1000', 'no', 'false', '~', '2026-01-01']
    expect(keys.map((T) => apply(rule, { T }, table))).toEqual([...'abcdefghij'])
    expect(apply(rule, { T: '010' }, table)).toBe('CODE_UNKNOWN T: T "010" is not in the table')
    expect(apply('text: { from: T, table: t, otherwise: x }', { T: '010' }, table)).toBe('x')
    expect(apply('text: { from: T, table: t, unknown: keep }', { T: '010' }, table)).toBe('010')
  })

  test('masks what must not be read whole', () => {
    expect(apply('text: { from: T, mask: 4 }', { T: '12345678' })).toBe('****5678')
    expect(apply('text: { from: T, mask: 4 }', { T: '1234' })).toBe('**34')
  })
})

describe('a field that is not there', () => {
  test('rejects the record by name, with the line of the rule', () => {
    const mapped = mappingOf(thing('text: T')).map(recordOf({}))
    expect(mapped).toEqual({
      kind: 'rejected',
      code: 'FIELD_MISSING',
      field: 'T',
      line: 5,
      reason: 'the record has no field T',
    })
  })

  test('is null where the rule is optional, but a value that is wrong is still refused', () => {
    const rule = 'day: { from: D, as: date, optional: true }'
    expect(apply(rule, {})).toBe(null)
    expect(apply(rule, { D: '' })).toBe(null)
    expect(apply(rule, { D: '2026-09-31' })).toBe('VALUE_REFUSED D: D "2026-09-31" is not a date')
  })

  test('is told apart from an empty one', () => {
    expect(apply('day: { from: D, as: date }', { D: null })).toBe('FIELD_EMPTY D: D is empty')
    expect(apply('day: { from: D, as: date, none: ["0000-00-00"] }', { D: '0000-00-00' })).toBe(null)
  })

  test('is not found on the prototype of the record', () => {
    expect(apply('text: constructor', {})).toBe(
      'FIELD_MISSING constructor: the record has no field constructor',
    )
  })
})

describe('numbers', () => {
  test.each([
    ['as PostgreSQL prints them', 'number: { from: N, as: decimal }', '1000.00', '1000.00'],
    ['without the leading zero', 'number: { from: N, as: decimal, scale: 4 }', '.0000', '0.0000'],
    ['negative zero', 'number: { from: N, as: decimal }', '-.00', '0.00'],
    ['a minus behind', 'number: { from: N, as: decimal }', '12.50-', '-12.50'],
    [
      'more than a float can hold',
      'number: { from: N, as: decimal }',
      '9007199254740993.10',
      '9007199254740993.10',
    ],
    ['leading zeros', 'number: { from: N, as: decimal }', '0000012.5', '12.5'],
    ['scale filled up', 'number: { from: N, as: decimal, scale: 3 }', '5', '5.000'],
    ['scale cut where only zeros go', 'number: { from: N, as: decimal, scale: 0 }', '-0.000', '0'],
    ['thousands', 'number: { from: N, as: decimal, thousands: "," }', '1,234,567.50', '1234567.50'],
    [
      'decimal comma',
      'number: { from: N, as: decimal, thousands: ".", decimalMark: "," }',
      '1.234,50',
      '1234.50',
    ],
    ['shift', 'number: { from: N, as: decimal, scale: 2, shift: 2 }', '123.45', '12345'],
    ['shift to the left', 'number: { from: N, as: decimal, scale: 2, shift: -1 }', '12.34', '1.234'],
    [
      'a sign of its own',
      'number: { from: N, as: decimal, sign: { from: S, negative: [H], positive: [S] } }',
      '0.10',
      '-0.10',
    ],
    ['a sign that is no part of it', 'number: { from: N, as: decimal, sign: drop }', '12.50-', '12.50'],
  ])('are read exactly: %s', (_name, rule, N, expected) => {
    expect(apply(rule, { N, S: 'H' })).toBe(expected)
  })

  test.each([
    ['number: { from: N, as: decimal, scale: 2 }', '1.005', 'has more decimals than the rule allows'],
    ['number: { from: N, as: decimal }', '1,5', 'is not a number'],
    ['number: { from: N, as: decimal }', '1e3', 'is not a number'],
    ['number: { from: N, as: decimal }', 'NaN', 'is not a number'],
    ['number: { from: N, as: decimal }', '--1', 'is not a number'],
    ['number: { from: N, as: decimal }', '-1-', 'is not a number'],
    ['number: { from: N, as: decimal }', '.', 'is not a number'],
    ['number: { from: N, as: decimal, thousands: "." , decimalMark: "," }', '1.5', 'is not a number'],
    ['number: { from: N, as: decimal }', '9'.repeat(80), 'is not a number'],
    ['count: { from: N, as: integer }', '1.5', 'is not a whole number'],
    ['count: { from: N, as: integer }', '9007199254740993', 'is not a whole number'],
  ])('%s refuses %s', (rule, N, because) => {
    expect(apply(rule, { N })).toContain(because)
  })

  test('that came as a float are refused: what they were is lost already', () => {
    expect(apply('number: { from: N, as: decimal }', { N: 0.1 })).toContain('came as a float')
    expect(apply('number: { from: N, as: decimal }', { N: 12 })).toBe('12')
  })

  test('keep every digit, whatever the scale', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(10n ** 25n), max: 10n ** 25n }), fc.nat(8), (units, scale) => {
        const digits = (units < 0n ? -units : units).toString().padStart(scale + 1, '0')
        const written = `${units < 0n ? '-' : ''}${digits.slice(0, digits.length - scale)}.${digits.slice(digits.length - scale)}`
        const wide = String(
          apply(`number: { from: N, as: decimal, scale: ${scale + 2} }`, { N: written.replace(/\.$/, '') }),
        )
        expect(BigInt(wide.replace('.', ''))).toBe(units * 100n)
      }),
      { numRuns: 50 },
    )
  })
})

describe('amounts and quantities', () => {
  test('have the decimals of their currency, and never fewer than the money', () => {
    const rule = 'amount: { from: A, as: amount, currency: C, scale: currency }'
    expect(apply(rule, { A: '1250000.0000', C: 'VND' })).toEqual({ value: '1250000', currency: 'VND' })
    expect(apply(rule, { A: '10.5000', C: 'HKD' })).toEqual({ value: '10.50', currency: 'HKD' })
    expect(apply(rule, { A: '1.2340', C: 'KWD' })).toEqual({ value: '1.234', currency: 'KWD' })
    expect(apply(rule, { A: '0.5', C: 'JPY' })).toContain('has more decimals')
    expect(apply(rule, { A: '1', C: 'rmb' })).toContain('is not a currency of ISO 4217')
  })

  test('take the currency from a table, a constant or the company', () => {
    const table = 'tables: { c: { RMB: CNY } }'
    expect(
      apply('amount: { from: A, as: amount, currency: C, currencies: c }', { A: '1', C: 'RMB' }, table),
    ).toEqual({
      value: '1',
      currency: 'CNY',
    })
    expect(apply('amount: { from: A, as: amount, currency: { constant: USD } }', { A: '1' })).toMatchObject({
      currency: 'USD',
    })
    expect(apply('amount: { from: A, as: amount, currency: { of: company } }', { A: '1' })).toMatchObject({
      currency: 'HKD',
    })
  })

  test('pass an unknown unit as it stands, and say so', () => {
    const table = 'tables: { u: { ST: H87 } }'
    const rule = 'stock: { from: Q, as: quantity, unit: U, units: u, scale: 3 }'
    expect(apply(rule, { Q: '1', U: 'ST ' }, table)).toEqual({ value: '1.000', unit: 'H87' })
    expect(apply(rule, { Q: '1', U: 'FASS' }, table)).toEqual({ value: '1.000', unit: 'FASS', raw: 'FASS' })
  })
})

describe('codes, flags and statuses', () => {
  test('strip zeros of numbers only', () => {
    const rule = 'party: { from: P, as: code, strip: leading-zeros }'
    expect(apply(rule, { P: '0000100077' })).toEqual({ code: '100077', raw: '0000100077', name: null })
    expect(apply(rule, { P: '00BOLT' })).toMatchObject({ code: '00BOLT' })
    expect(apply(rule, { P: '0000' })).toMatchObject({ code: '0' })
  })

  test('know true and false by the texts of the ERP, the empty one included', () => {
    const rule = 'flag: { from: F, as: boolean, whenTrue: [X], whenFalse: [""] }'
    expect([apply(rule, { F: 'X' }), apply(rule, { F: ' ' }), apply(rule, { F: null })]).toEqual([
      true,
      false,
      false,
    ])
    expect(apply(rule, { F: 'Y' })).toContain('is neither one of whenTrue nor of whenFalse')
  })

  test('take the first case that holds, and refuse when none does', () => {
    const rule = `status:
    as: status
    raw: S
    cases:
      - { when: 'record.X == "1" && record.S == "A"', code: closed }
      - { when: 'record.S in ["A", "B"]', code: open }`
    expect(apply(rule, { S: 'A', X: '1' })).toEqual({ code: 'closed', raw: 'A' })
    expect(apply(rule, { S: 'B', X: '' })).toEqual({ code: 'open', raw: 'B' })
    expect(apply(rule, { S: 'C', X: '' })).toBe('CODE_UNKNOWN S: S "C" fits no case')
    expect(apply(rule, { S: 'A' })).toBe('FORMULA_FAILED status: No such key: X')
  })

  test('split a field into texts without doubles', () => {
    const rule = 'tags: { from: T, as: texts, separator: ";" }'
    expect(apply(rule, { T: 'b; a;b;;' })).toEqual(['a', 'b'])
    expect(apply(rule, { T: '' })).toBe(null)
  })
})

const LINES = `lines:
  as: list
  from: L
  order: line
  fields:
    line: N
    net: { from: A, as: amount, currency: ../C, currencies: iso, optional: true }
    out: { from: O, as: boolean, whenTrue: [X], whenFalse: [""] }
    due: { from: D, as: date, optional: true }
    note: ../H
total: { as: sum, of: lines.net, unless: lines.out, currency: C, currencies: iso }
first: { as: earliest, of: lines.due }`

const line = (N: string, A: string | null, O = '', D: string | null = null) => ({ N, A, O, D })

describe('lists', () => {
  const mapped = (L: readonly object[], C = 'HKD') =>
    mappingOf(thing(LINES, 'tables: { iso: { RMB: CNY } }')).map(
      recordOf({ C, H: 'head', L: JSON.parse(JSON.stringify(L)) }),
    )

  test('are sorted by number where there are numbers, whatever order they came in', () => {
    const lines = [line('100', '1'), line('9', '2'), line('x', '3'), line('1x', '4')]
    const forward = fieldOf(mapped(lines), 'lines')
    expect(fieldOf(mapped(lines.toReversed()), 'lines')).toEqual(forward)
    expect(JSON.stringify(forward).match(/"line":"\w+"/g)).toEqual([
      '"line":"9"',
      '"line":"100"',
      '"line":"1x"',
      '"line":"x"',
    ])
  })

  test('with equal keys are sorted by the whole element', () => {
    const lines = [line('1', '2'), line('1', '1')]
    expect(fieldOf(mapped(lines), 'lines')).toEqual(fieldOf(mapped(lines.toReversed()), 'lines'))
  })

  test('are summed exactly, leaving out what does not count', () => {
    const lines = [
      line('1', '0.10'),
      line('2', '0.20'),
      line('3', '5', 'X'),
      line('4', null),
      line('5', '-0.30'),
    ]
    expect(fieldOf(mapped(lines), 'total')).toEqual({ value: '0.00', currency: 'HKD' })
    const big = [line('1', '9007199254740993.01'), line('2', '9007199254740993.02')]
    expect(fieldOf(mapped(big), 'total')).toEqual({ value: '18014398509481986.03', currency: 'HKD' })
    expect(fieldOf(mapped([], 'VND'), 'total')).toEqual({ value: '0', currency: 'VND' })
    expect(fieldOf(mapped(big, 'RMB'), 'total')).toMatchObject({ currency: 'CNY' })
  })

  test('give their earliest date, or null', () => {
    const lines = [line('1', '1', '', '2026-10-20'), line('2', '1', '', '2026-09-01'), line('3', '1')]
    expect(fieldOf(mapped(lines), 'first')).toBe('2026-09-01')
    expect(fieldOf(mapped([line('1', '1')]), 'first')).toBe(null)
  })

  test('give their latest instant by time, not by text', () => {
    const rule = `lines:
  as: list
  from: L
  order: line
  fields: { line: N, at: { from: M, as: date-time } }
moment: { as: latest, of: lines.at }`
    const L = [
      { N: '1', M: '2026-10-01T09:00:00+08:00' },
      { N: '2', M: '2026-10-01T08:30:00Z' },
    ]
    const instants = mappingOf(thing(rule)).map(recordOf({ L }))
    expect(fieldOf(instants, 'moment')).toBe('2026-10-01T08:30:00+00:00')
  })

  test('name the row and the field that is to blame', () => {
    expect(fieldOf(mapped([line('1', '1'), line('2', 'x')]), 'lines')).toBe(
      'VALUE_REFUSED L[1].A: A "x" is not a number',
    )
    expect(
      mappingOf(thing(LINES, 'tables: { iso: { RMB: CNY } }')).map(recordOf({ C: 'HKD', H: '', L: 'x' })),
    ).toMatchObject({
      code: 'VALUE_REFUSED',
      reason: 'L is not a list',
    })
    expect(
      mappingOf(thing(LINES, 'tables: { iso: { RMB: CNY } }')).map(recordOf({ C: 'HKD', H: '' })),
    ).toMatchObject({
      code: 'FIELD_MISSING',
      field: 'L',
    })
  })

  test('refuse to sum what does not go together', () => {
    const mixed = LINES.replace('lines.out, currency: C, currencies: iso', 'lines.out').replace(
      '../C, currencies: iso',
      'CUR',
    )
    const L = [
      { ...line('1', '1'), CUR: 'HKD' },
      { ...line('2', '1'), CUR: 'VND' },
    ]
    expect(mappingOf(thing(mixed)).map(recordOf({ H: '', L }))).toMatchObject({
      code: 'SUM_MIXED',
      reason: 'HKD and VND cannot be summed',
    })
  })

  test('find the rows of another list that belong to theirs', () => {
    const rule = `lines:
  as: list
  from: L
  order: line
  fields:
    line: N
    net: { as: constant, value: null }
    size: { as: formula, cel: 'decimal(record.Q) * decimal(parent.F)', scale: 2 }`
    const L = [
      { N: '1', Q: '1.5' },
      { N: '2', Q: '2' },
    ]
    const mapping = mappingOf(thing(rule))
    expect(fieldOf(mapping.map(recordOf({ F: '3', L })), 'lines')).toMatchObject([
      { size: '4.50' },
      { size: '6.00' },
    ])
    expect(mapping.reads.map(({ path }) => path.join('/'))).toEqual(['K', 'L', 'L/N', 'L/Q', 'F', 'K'])
    expect(fieldOf(mapping.map(recordOf({ F: '3.333', L })), 'lines')).toContain('has more than 2 decimals')
  })
})

describe('a record', () => {
  test('has its business key percent-encoded, and the raw columns beside', () => {
    const yaml = 'entity: thing\nkey: [A, { from: B, optional: true }, K]\nfields: { key: K }\n'
    const mapped = mappingOf(yaml).map(recordOf({ A: 'a/b ', B: '', K: '螺 1' }))
    expect(mapped).toMatchObject({
      subject: 'a%2Fb//螺 1',
      data: { erpKeys: { A: 'a/b', B: null, K: '螺 1' } },
    })
    expect(mappingOf(yaml).map(recordOf({ A: '', B: '' }))).toMatchObject({ code: 'FIELD_EMPTY', field: 'A' })
    expect(mappingOf(yaml).map(recordOf({ A: '\ud800', B: '' }))).toMatchObject({
      code: 'VALUE_REFUSED',
      field: 'A',
    })
  })

  test('refers to another by the key that the other has', () => {
    const rule = 'text: { as: key, of: [A, { from: B, optional: true }] }'
    const mapped = mappingOf(thing(rule)).map(recordOf({ A: 'a/b', B: '' }))
    expect(fieldOf(mapped, 'text')).toBe('a%2Fb/')
    expect(apply(rule, { A: '', B: 'b' })).toContain('FIELD_EMPTY A')
    expect(mistakesOf(thing('text: { as: key }')).join()).toContain('"of" is missing')
  })

  test('belongs to a company that is configured, or is rejected', () => {
    const yaml = `company: BUKRS\n${thing('text: T')}`
    const source = { ...SOURCE, company: 'from-record' }
    expect(mappingOf(yaml, source).map(recordOf({ T: '', BUKRS: '001' }))).toMatchObject({
      company: '001',
      data: { company: { code: '001', name: 'Example' } },
    })
    for (const BUKRS of ['1', 'constructor', '']) {
      expect(mappingOf(yaml, source).map(recordOf({ T: '', BUKRS }))).toMatchObject({
        code: 'COMPANY_UNKNOWN',
        field: 'BUKRS',
      })
    }
    expect(mappingOf(yaml).map(recordOf({ T: '' }))).toMatchObject({ company: '001' })
  })

  test('takes its time from the rule, else from the adapter, else from nobody', () => {
    const ruled = mappingOf(`changedAt: { from: U, as: date-time, optional: true }\n${thing('text: T')}`)
    expect(ruled.map(recordOf({ T: '', U: '2026-10-01 08:15:02' }))).toMatchObject({
      time: '2026-10-01T08:15:02+08:00',
    })
    expect(ruled.map(recordOf({ T: '' }, '2026-10-01T08:15:02Z'))).toMatchObject({
      time: '2026-10-01T08:15:02+00:00',
    })
    expect(ruled.map(recordOf({ T: '' }))).toMatchObject({ time: null, data: { changedAt: null } })
  })

  test('that the schema refuses is rejected with what the schema says', () => {
    const strict = { ...THING, validate: () => ['/text is too long', '/day is missing'] }
    expect(mappingOf(thing('text: T'), SOURCE, strict).map(recordOf({ T: 'x' }))).toEqual({
      kind: 'rejected',
      code: 'SCHEMA_INVALID',
      field: null,
      line: null,
      reason: '/text is too long (and 1 more)',
    })
  })
})

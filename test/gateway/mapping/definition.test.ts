import { describe, expect, test } from 'vitest'
import { compileMapping } from '../../../gateway/mapping/compile-mapping.ts'
import { listMappings, loadMapping } from '../../../gateway/mapping/definition.ts'
import { runMappingTests } from '../../../gateway/mapping/mapping-tests.ts'
import { mistakeText } from '../../../gateway/mapping/mistake.ts'
import {
  definitionOf,
  mappingOf,
  memoryFiles,
  mistakesOf,
  PATH,
  recordOf,
  SOURCE,
  THING,
  thing,
} from './language.ts'

describe('a mapping file', () => {
  test('with many mistakes reports each of them at its place, with the nearest valid name', () => {
    const yaml = `entity: thing
kye: [K]
key: [K]
fields:
  key: K
  txt: T
  text: { from: T, tabel: units }
  number: N
  day: { from: D, as: dat }
  price: { from: P, as: amount }
  stock: { from: Q, as: quantity, unit: U, units: unit }
  state: { from: S, table: states }
  status:
    as: status
    raw: S
    cases:
      - { when: 'record.S = "A"', code: open }
      - { when: 'record.S > 5', code: opne }
  lines:
    as: list
    from: L
    order: lien
    fields:
      net: { from: A, as: amount, currency: ../../C }
  total: { as: sum, of: lines.nett }
tables:
  units: { ST: H87, KG: true }
  states: { A: open, B: close }
`
    expect(mistakesOf(yaml).map((text) => text.replace(`${PATH}:`, '').split('\n')[0])).toEqual([
      '2:1 kye: there is no setting "kye" (did you mean "key"?)',
      '6:3 fields.txt: the event has no "txt" here (did you mean "text"?)',
      '7:20 fields.text.tabel: a rule has no "tabel" (did you mean "table"?) here',
      '8:11 fields.number: the event needs a decimal here, which "as: text" does not give; write { from: FIELD, as: decimal }',
      '9:23 fields.day.as: there is no rule "as: dat" (did you mean "date"?)',
      '10:10 fields.price: "currency" is missing: which source field?',
      '11:51 fields.stock.units: there is no table "unit" (did you mean "units"?)',
      '12:10 fields.state: "close" cannot stand in this field (did you mean "closed"?)',
      '17:27 fields.status.cases[0].when: Unexpected character: =',
      '18:18 fields.status.cases[1].when: text and an integer do not go together with ">": decimal(…) reads a number from text',
      '18:39 fields.status.cases[1].code: "opne" cannot stand in this field (did you mean "open"?)',
      '20:5 fields.lines: the elements have no "lien" to sort by (did you mean "line"?)',
      '24:7 fields.lines.fields: "line" is missing: the event needs text there',
      '24:45 fields.lines.fields.net.currency: "../../C" goes up too far: only one row lies around it',
      '25:10 fields.total: the event has no "nett" here (did you mean "net"?)',
      '27:25 tables.units.KG: a table gives texts; quote true, false and null',
    ])
  })

  test.each([
    ['entity: thing\nfields: { key: K }', '"key" is missing: the columns of the business key'],
    ['entity: thing\nkey: [K]', '"fields" is missing'],
    ['key: [K]\nfields: {}', '"entity" is missing'],
    ['entity: order\nkey: [K]\nfields: { key: K }', 'this mapping fills "order", not "thing"'],
    [thing('company: C'), '"company" is added by the gateway itself'],
    ['entity: thing\nkey: [K]\nfields: { text: T }', '"key" is missing: the event needs text there'],
    ['entity: thing\nkey: [K]\nfields: { key: { from: K, optional: true } }', 'so it cannot be "optional"'],
    [
      'entity: thing\nkey: [K]\nfields: { key: { as: constant, value: null } }',
      'the event needs a value here',
    ],
    [thing('text: ../T'), 'nothing lies around the record itself'],
    [thing('text: A//B'), 'a path is written FIELD, ../FIELD or FIELD/FIELD'],
    [thing('text: [A]'), 'a rule is FIELD'],
    [thing('flag: { from: F, as: boolean, whenTrue: [X] }'), '"whenFalse" is missing'],
    [thing('flag: { from: F, as: boolean, whenTrue: [X], whenFalse: [X] }'), 'cannot mean both'],
    [thing('day: { from: D, as: date, pattern: DD.MM }'), 'it must name YYYY, MM and DD'],
    [thing('day: { from: D, as: date, pattern: YYYYMMDD hh }'), '"h" is not a part of a date pattern'],
    [thing('day: { from: D, as: date, pattern: "YYYYMMDD[ HH" }'), 'brackets'],
    [thing('number: { from: N, as: decimal, scale: 2.5 }'), 'must be a whole number from 0 to 20'],
    [thing('number: { from: N, as: decimal, thousands: "." }'), 'cannot be the same'],
    [thing('amount: { from: A, as: amount, currency: { of: compnay } }'), 'did you mean "company"'],
    [thing('status: { as: status, raw: S }'), 'either "cases" or a "table"'],
    [thing('state: { as: constant, value: opened }'), 'did you mean "open"'],
    [thing('size: { as: sum, of: number }'), 'leads through no list'],
    [thing('number: { as: formula, cel: "record.N" }'), 'this gives text, and decimal is needed'],
    [thing('number: { as: formula, cel: "decimal(parent.N)" }'), 'there is no "parent" here'],
    [thing('party: { from: P, as: amount, currency: C }'), '"as: amount" does not fit'],
  ])('is refused: %j', (yaml, expected) => {
    expect(mistakesOf(yaml).join('\n')).toContain(expected)
  })

  test('cannot reach the prototype of anything', () => {
    expect(mistakesOf(thing('__proto__: T')).join()).toContain('__proto__')
    expect(mistakesOf(thing('constructor: T')).join()).toContain('constructor')
    expect(mistakesOf(thing('text: { from: T, as: constructor }')).join()).toContain(
      'there is no rule "as: constructor"',
    )
    expect(mistakesOf(thing('text: { from: T, table: constructor }')).join()).toContain('there is no table')
  })

  test('of a source that reads the company from the record must name the field', () => {
    const source = { ...SOURCE, company: 'from-record' }
    expect(mistakesOf(thing('text: T'), source).join()).toContain('must name the field: company: BUKRS')
    const unknown = { ...SOURCE, company: '01' }
    expect(mistakesOf(thing('text: T'), unknown).join()).toContain(
      'company "01" is not declared (did you mean "001"?)',
    )
    expect(mistakesOf(thing('text: T'), { ...SOURCE, zone: 'Asia/Shanghigh' }).join()).toContain(
      '"Asia/Shanghigh", is not known',
    )
  })

  test('that is not there is reported with the nearest name', () => {
    const files = memoryFiles({
      [PATH]: thing('text: T'),
      '/maps/sap-ecc/payment.yaml': '',
      '/secrets/thing.yaml': thing('text: T'),
    })
    expect(listMappings(['/maps'], files)).toEqual(['sap-ecc/payment', 'test/thing'])
    const loaded = loadMapping('sap-ecc/paymet', ['/maps'], files)
    expect(loaded.kind === 'invalid' ? loaded.mistakes[0]?.message : '').toContain(
      'did you mean "sap-ecc/payment"',
    )
    expect(loadMapping('../secrets/thing', ['/maps'], files).kind).toBe('invalid')
  })
})

describe('extending', () => {
  const base = thing(
    'text: { from: T, table: t }\nstate: { as: constant, value: open }',
    'tables: { t: { A: a, B: b }, u: { X: x } }',
  )
  const own =
    'entity: thing\nextends: test/thing\ntables: { t: { B: c, C: d, A: null } }\nfields: { state: null, count: { from: N, as: integer } }\n'
  const texts = { [PATH]: base, '/own/test/thing.yaml': own }

  test('changes single entries of tables and single targets of the mapping with the same name below', () => {
    const compiled = compileMapping(definitionOf(texts), THING, SOURCE)
    if (compiled.kind === 'invalid') throw new Error(compiled.mistakes.map(mistakeText).join('\n'))
    const { mapping } = compiled
    const map = (T: string) => mapping.map(recordOf({ T, N: '1' }))
    expect(map('B')).toMatchObject({ data: { text: 'c', count: 1 } })
    expect(map('C')).toMatchObject({ data: { text: 'd' } })
    expect(map('A')).toMatchObject({ code: 'CODE_UNKNOWN', line: 5 })
    expect(map('B')).not.toHaveProperty('data.state')
  })

  test('names the file of the base where the mistake is there', () => {
    const broken = { ...texts, [PATH]: base.replace('from: T', 'frmo: T') }
    const compiled = compileMapping(definitionOf(broken), THING, SOURCE)
    expect(
      compiled.kind === 'invalid' ? compiled.mistakes.map(({ file, line }) => `${file}:${line}`) : [],
    ).toContain(`${PATH}:5`)
  })

  test('in a circle is refused', () => {
    const circle = {
      '/maps/test/a.yaml': 'extends: test/b',
      '/maps/test/b.yaml': 'extends: test/a',
      '/maps/test/c.yaml': 'extends: test/c',
    }
    for (const name of ['test/a', 'test/c']) {
      const loaded = loadMapping(name, ['/maps'], memoryFiles(circle))
      expect(
        loaded.kind === 'invalid' ? loaded.mistakes.map((mistake) => mistake.message).join() : '',
      ).toContain('cannot extend itself')
    }
  })
})

describe('the version of a mapping', () => {
  const versionOf = (yaml: string, source = SOURCE, schema = THING) => {
    const compiled = compileMapping(definitionOf({ [PATH]: yaml }), schema, source)
    return compiled.kind === 'compiled' ? compiled.mapping.version : 'invalid'
  }
  const yaml = thing('text: { from: T, table: t }', 'tables: { t: { A: a } }\n')

  test('stays with comments, blanks, order of keys and tests', () => {
    const same = `# new\ntables:\n  t:\n    A: a   # the first\n${thing('text: { table: "t", from: T }')}tests: []\n`
    expect(versionOf(same)).toBe(versionOf(yaml))
  })

  test('changes with rules, tables, what is extended, schema and zone', () => {
    const versions = [
      versionOf(yaml),
      versionOf(yaml.replace('A: a', 'A: b')),
      versionOf(yaml.replace('from: T', 'from: U')),
      versionOf(yaml.replace('key: [K]', 'key: [K, L]')),
      versionOf(`version: 2\n${yaml}`),
      versionOf(yaml, { ...SOURCE, zone: 'Asia/Tokyo' }),
      versionOf(yaml, { ...SOURCE, system: 'renamed' }),
      versionOf(yaml, { ...SOURCE, company: 'renamed' }),
      versionOf(yaml, SOURCE, { ...THING, version: 2 }),
    ]
    expect(new Set(versions).size).toBe(versions.length)
  })
})

test('a key may hold a constant, which is no column of the ERP, to keep two tables apart', () => {
  const yaml = 'entity: thing\nkey: [{ constant: supplier }, K]\nfields: { key: K }\n'
  expect(mappingOf(yaml).map(recordOf({ K: '7' }))).toMatchObject({
    subject: 'supplier/7',
    data: { erpKeys: { K: '7' } },
  })
  const wrong = 'entity: thing\nkey: [{ constant: supplier, from: K }]\nfields: { key: K }\n'
  expect(mistakesOf(wrong).join()).toContain('a constant part is written { constant: TEXT }')
})

test('an amount or a quantity may be computed, and says unit and currency like one that is kept', () => {
  const rule = `price: { as: amount, cel: 'decimal(record.A) * decimal(record.B)', currency: C, scale: currency }
stock: { as: quantity, cel: 'decimal(record.A) - decimal(record.B)', unit: U, units: units }`
  const mapped = (data: { readonly [field: string]: string }) =>
    mappingOf(thing(rule, 'tables: { units: { ST: H87 } }')).map(
      recordOf({ K: 'k', A: '3', B: '1.5', C: 'HKD', U: 'ST', ...data }),
    )
  expect(mapped({})).toMatchObject({
    data: { price: { value: '4.50', currency: 'HKD' }, stock: { value: '1.5', unit: 'H87' } },
  })
  expect(mapped({ U: 'FASS' })).toMatchObject({ data: { stock: { unit: 'FASS', raw: 'FASS' } } })
  expect(mapped({ C: 'JPY' })).toMatchObject({ code: 'VALUE_REFUSED', field: 'price' })
  expect(mapped({ B: 'x' })).toMatchObject({ code: 'FORMULA_FAILED', field: 'price' })
  const both = thing(`price: { from: A, as: amount, cel: 'decimal(record.A)', currency: C }`)
  expect(mistakesOf(both).join()).toContain('not both')
})

test('a list may leave out rows by an expression on them', () => {
  const rule = (when: string) =>
    thing(
      `lines:\n  as: list\n  from: L\n  when: ${when}\n  order: line\n  fields: { line: N, net: { as: constant, value: null } }`,
    )
  const L = [
    { N: '1', D: '' },
    { N: '2', D: '2026-10-01' },
  ]
  const mapped = mappingOf(rule(`'record.D != "" && parent.K == "k"'`)).map(recordOf({ K: 'k', L }))
  expect(mapped).toMatchObject({ data: { lines: [{ line: '2' }] } })
  const failed = mappingOf(rule(`'decimal(record.D) > decimal("0")'`)).map(recordOf({ K: 'k', L }))
  expect(failed).toMatchObject({ code: 'FORMULA_FAILED', field: 'L' })
  expect(mistakesOf(rule('record.D')).join()).toContain('fields.lines.when')
})

describe('the tables that mappings of an ERP share', () => {
  const rules = (more = '') => thing('text: { from: T, table: states }', more)
  const box = { [PATH]: rules(), '/maps/test/tables.yaml': 'states: { A: open, B: shut }\n' }
  const given = (texts: Readonly<Record<string, string>>, T: string) => {
    const compiled = compileMapping(definitionOf(texts), THING, SOURCE)
    if (compiled.kind === 'invalid') return { said: compiled.mistakes.map(mistakeText).join(), version: '' }
    const mapped = compiled.mapping.map(recordOf({ K: 'k', T }))
    const said = mapped.kind === 'mapped' ? mapped.data['text'] : mapped.code
    return { said, version: compiled.mapping.version }
  }

  test('are looked up as if they stood in each', () => {
    expect(given(box, 'B').said).toBe('shut')
    expect(given({ ...box, [PATH]: rules('tables:\n  states: { B: own }') }, 'B').said).toBe('own')
    expect(listMappings(['/maps'], memoryFiles(box))).toEqual(['test/thing'])
  })

  test('are changed entry by entry by the file of an installation', () => {
    const texts = { ...box, '/own/test/tables.yaml': 'states: { B: closed, A: null }\n' }
    expect(given(texts, 'B').said).toBe('closed')
    expect(given(texts, 'A').said).toBe('CODE_UNKNOWN')
  })

  test('change the version of a mapping that names them, and of no other', () => {
    const named = { ...box, '/own/test/tables.yaml': 'states: { C: new }\n' }
    const other = { ...box, '/own/test/tables.yaml': 'units: { ST: H87 }\n' }
    expect(given(other, 'A').version).toBe(given(box, 'A').version)
    expect(given(named, 'A').version).not.toBe(given(box, 'A').version)
  })

  test('tell their mistakes at their own place', () => {
    const texts = { ...box, '/maps/test/tables.yaml': 'states:\n  A: true\n' }
    expect(given(texts, 'A').said).toContain('/maps/test/tables.yaml:2')
  })
})

describe('the examples of a mapping', () => {
  const examples = (tests: string) =>
    runMappingTests(definitionOf({ [PATH]: thing('text: T', `tests:\n${tests}`) }), THING)

  test('show what differs', () => {
    const [result] = examples(
      '  - { name: a, record: { K: k, T: x }, event: { subject: j, data: { key: k, text: y } } }',
    )
    expect(result?.differences).toEqual([
      'subject: expected "j", was "k"',
      'data.text: expected "y", was "x"',
    ])
  })

  test('say by `differs` only what is not as in the example that they are like', () => {
    const tests = `  - { name: a, record: { K: k, T: x }, event: { subject: k, data: { key: k, text: x } } }
  - { name: b, like: a, with: { T: y }, differs: { data: { text: y } } }
  - { name: c, like: b, with: { K: j }, differs: { subject: j, data: { key: j, text: x } } }
  - { name: d, record: { K: k, T: x }, differs: { data: { text: x } } }
  - { name: e, like: a, event: { subject: k }, differs: {} }`
    const [first, second, third, alone, both] = examples(tests)
    expect([first?.differences, second?.differences]).toEqual([[], []])
    expect(third?.differences).toEqual(['data.text: expected "x", was "y"'])
    expect(alone?.differences.join()).toContain('"differs" needs an example that it is like')
    expect(both?.differences.join()).toContain('either an "event", or what "differs"')
  })

  test('fail when they are mapped and should be rejected, or the other way round', () => {
    const [mapped, rejected] = examples(`  - { name: a, record: { K: k, T: x }, rejected: { field: T } }
  - { name: b, like: a, without: [T], event: { data: { key: k } } }`)
    expect(mapped?.differences.join()).toContain('was mapped')
    expect(rejected?.differences.join()).toContain('FIELD_MISSING T')
  })

  test('are told when they are written wrong', () => {
    const [result] = examples('  - { name: a, like: b, evnt: {} }')
    expect(result?.differences.join()).toContain('did you mean "event"')
    expect(result?.differences.join()).toContain('no example before this one has that name')
  })
})

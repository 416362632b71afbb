import { describe, expect, test } from 'vitest'
import { findIncompatibilities } from '../../gateway/schemas/compatibility.ts'
import { readShapes, VALUE_TYPES } from '../../gateway/schemas/read-shapes.ts'
import type { EntityShape } from '../../gateway/schemas/shape.ts'
import { CHECKOUT, EVENTS, FROZEN, folderOf, readJson } from './schema-folder.ts'

const FILE = 'purchase-order.v1.json'

type Node = { [keyword: string]: Node } & { [keyword: string]: unknown }

function shapeOf(...changes: readonly ((order: Node, values: Node) => void)[]): EntityShape {
  const order = readJson(`${FROZEN}/${FILE}`) as Node
  const values = readJson(`${FROZEN}/${VALUE_TYPES}`) as Node
  for (const change of changes) change(order, values)
  const [shape] = readShapes(folderOf({ [FILE]: order, [VALUE_TYPES]: values }), EVENTS)
  if (shape === undefined) throw new Error('The folder holds one entity.')
  return shape
}

/** A node inside a schema by its path; a step that is not there is a mistake of the test. */
function at(node: Node, path: string): Node {
  return path.split('/').reduce<Node>((inner, step) => {
    const next = inner[step]
    if (next === undefined) throw new Error(`There is no ${step} in ${path}.`)
    return next
  }, node)
}

const frozen = shapeOf()

describe('within a version', () => {
  test.each(readShapes(CHECKOUT, FROZEN).map((shape) => [shape.entity, shape] as const))(
    'the current schema of %s keeps what was promised',
    (entity, promised) => {
      const current = readShapes(CHECKOUT, EVENTS).find(
        (shape) => shape.entity === entity && shape.version === promised.version,
      )
      expect(current, `${entity} is gone`).toBeDefined()
      expect(current === undefined ? [] : findIncompatibilities(promised, current)).toEqual([])
    },
  )

  test('every current version has a frozen copy', () => {
    const named = (folder: string) =>
      readShapes(CHECKOUT, folder).map((shape) => `${shape.entity}.v${shape.version}`)
    expect(named(FROZEN)).toEqual(named(EVENTS))
  })

  test.each<[string, string, (order: Node, values: Node) => void]>([
    ['a removed field', '/buyer was removed', (order) => void delete at(order, 'properties')['buyer']],
    [
      'a removed field of a shared type',
      '/lines/*/net/currency was removed',
      (_order, values) => {
        const amount = at(values, '$defs/Amount')
        delete at(amount, 'properties')['currency']
        Object.assign(amount, { required: ['value'] })
      },
    ],
    [
      'another type',
      '/buyer changed its type from text to boolean',
      (order) => void Object.assign(at(order, 'properties'), { buyer: { type: ['boolean', 'null'] } }),
    ],
    [
      'an object in the place of a text',
      '/purchasingGroup changed its type from text to object',
      (order) => {
        const code = { anyOf: [{ $ref: `${VALUE_TYPES}#/$defs/Code` }, { type: 'null' }] }
        Object.assign(at(order, 'properties'), { purchasingGroup: code })
      },
    ],
    [
      'a decimal in the place of a text',
      '/lines/*/taxCode changed its format from text to decimal',
      (order) => {
        const decimal = { anyOf: [{ $ref: `${VALUE_TYPES}#/$defs/Decimal` }, { type: 'null' }] }
        Object.assign(at(order, '$defs/Line/properties'), { taxCode: decimal })
      },
    ],
    [
      'a code less',
      '/status/code no longer allows draft, pending',
      (order) => {
        const code = at(order, '$defs/Status/properties/code')
        Object.assign(code, { enum: (code['enum'] as unknown as string[]).slice(2) })
      },
    ],
    [
      'a closed list that is opened',
      '/status/code had a closed list of codes',
      (order) => void delete at(order, '$defs/Status/properties/code')['enum'],
    ],
    [
      'a free text that is closed',
      '/buyer was free text',
      (order) => void Object.assign(at(order, 'properties/buyer'), { enum: ['A', null] }),
    ],
    [
      'a new required field',
      '/approver is new and required',
      (order) => {
        Object.assign(at(order, 'properties'), { approver: { type: 'string' } })
        Object.assign(order, { required: ['number', 'approver'] })
      },
    ],
    [
      'an old field that becomes required',
      '/buyer became required',
      (order) =>
        void Object.assign(order, { required: [...(order['required'] as unknown as string[]), 'buyer'] }),
    ],
    [
      'a required field that may be absent',
      '/orderDate may now be null or absent',
      (order) => {
        const required = (order['required'] as unknown as string[]).filter((name) => name !== 'orderDate')
        Object.assign(order, { required })
      },
    ],
    [
      'a required field that may be null',
      '/lines/*/ordered may now be null or absent',
      (order) => {
        const quantity = { anyOf: [{ $ref: `${VALUE_TYPES}#/$defs/Quantity` }, { type: 'null' }] }
        Object.assign(at(order, '$defs/Line/properties'), { ordered: quantity })
      },
    ],
    [
      'a field that may no longer be null',
      '/buyer may no longer be null',
      (order) => void Object.assign(at(order, 'properties/buyer'), { type: 'string' }),
    ],
    [
      'key columns that may no longer be null',
      '/erpKeys/* may no longer be null',
      (_order, values) =>
        void Object.assign(at(values, '$defs/erpKeys/additionalProperties'), { type: 'string' }),
    ],
    [
      'lines that may be null',
      '/lines/* may now be null',
      (order) => {
        const line = { anyOf: [{ $ref: '#/$defs/Line' }, { type: 'null' }] }
        Object.assign(at(order, 'properties/lines'), { items: line })
      },
    ],
    [
      'another identity',
      '/buyer got x-identity',
      (order) => void Object.assign(at(order, 'properties/buyer'), { 'x-identity': true }),
    ],
    [
      'an identity that shrinks',
      '/number lost x-identity',
      (order) => void delete at(order, 'properties/number')['x-identity'],
    ],
    [
      'a new field in the identity',
      '/client is new and part of the identity',
      (order) => {
        const client = { type: ['string', 'null'], 'x-identity': true }
        Object.assign(at(order, 'properties'), { client })
      },
    ],
    [
      'content that becomes volatile',
      '/buyer got x-volatile',
      (order) => void Object.assign(at(order, 'properties/buyer'), { 'x-volatile': true }),
    ],
    [
      'a volatile field that becomes content',
      '/changedAt lost x-volatile',
      (_order, values) => void delete at(values, '$defs/changedAt')['x-volatile'],
    ],
    [
      'another order of a list',
      '/lines is sorted by "dueDate", not by "line"',
      (order) => void Object.assign(at(order, 'properties/lines'), { 'x-order': 'dueDate' }),
    ],
    [
      'a shorter text',
      '/number takes at most 40 characters, and took 100',
      (order) => void Object.assign(at(order, 'properties/number'), { maxLength: 40 }),
    ],
    [
      'a text that must not be empty',
      '/buyer needs at least 1 characters, and needed 0',
      (order) => void Object.assign(at(order, 'properties/buyer'), { minLength: 1 }),
    ],
    [
      'another pattern',
      'purchase-order.v1/currency changed its pattern',
      (_order, values) => void Object.assign(at(values, '$defs/Currency'), { pattern: '^[A-Z]{2}$' }),
    ],
    [
      'a narrower number',
      '/paymentTerms/days allows 0 to 365, and allowed 0 to 9999',
      (_order, values) => void Object.assign(at(values, '$defs/Terms/properties/days'), { maximum: 365 }),
    ],
    [
      'a choice that goes',
      '/lines/* no longer promises one of item, description',
      (order) => void delete at(order, '$defs/Line')['anyOf'],
    ],
    [
      'a choice that grows',
      '/lines/* no longer promises one of item, description',
      (order) => {
        const line = at(order, '$defs/Line')
        const plant = { required: ['plant'], properties: { plant: { not: { type: 'null' } } } }
        Object.assign(line, { anyOf: [...(line['anyOf'] as unknown as object[]), plant] })
      },
    ],
    [
      'a choice that shrinks',
      '/lines/* now demands one of item,',
      (order) => {
        const line = at(order, '$defs/Line')
        Object.assign(line, { anyOf: (line['anyOf'] as unknown as object[]).slice(0, 1) })
      },
    ],
    [
      'a choice that comes',
      'purchase-order.v1 now demands one of buyer',
      (order) => {
        const buyer = { required: ['buyer'], properties: { buyer: { not: { type: 'null' } } } }
        Object.assign(order, { anyOf: [buyer] })
      },
    ],
  ])('%s is refused', (_what, sentence, change) => {
    const found = findIncompatibilities(frozen, shapeOf(change))
    expect(found.filter((line) => line.includes(sentence))).toHaveLength(1)
    expect(found.every((line) => line.startsWith('purchase-order.v1'))).toBe(true)
  })

  test('personal data that loses its tag is refused', () => {
    const [tagged, bare] = [true, false].map((pii) =>
      shapeOf((order) => void Object.assign(at(order, 'properties/buyer'), { pii })),
    )
    if (tagged === undefined || bare === undefined) throw new Error('Two shapes were made.')
    expect(findIncompatibilities(tagged, bare)).toEqual([
      'purchase-order.v1/buyer lost pii: it would be shown.',
    ])
    expect(findIncompatibilities(bare, tagged)).toEqual([])
  })

  test('growing is allowed: fields, codes, room, descriptions', () => {
    const grown = shapeOf((order, values) => {
      Object.assign(at(order, 'properties'), { channel: { type: ['string', 'null'] } })
      Object.assign(at(order, 'properties/buyer'), {
        maxLength: 200,
        description: 'Who buys.',
        'x-expected': true,
      })
      const code = at(order, '$defs/Status/properties/code')
      Object.assign(code, { enum: [...(code['enum'] as unknown as string[]), 'archived'] })
      Object.assign(at(values, '$defs/Amount/properties'), { decimals: { type: ['boolean', 'null'] } })
      Object.assign(at(values, '$defs/Terms/properties/days'), { maximum: 99_999 })
    })
    expect(findIncompatibilities(frozen, grown)).toEqual([])
  })

  test('another version promises nothing about this one', () => {
    expect(findIncompatibilities(frozen, { ...frozen, version: 2 })).toHaveLength(1)
  })
})

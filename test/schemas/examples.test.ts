import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { EventData } from '../../gateway/event.ts'
import { isDate, isDateTime } from '../../gateway/schemas/formats.ts'
import { loadSchemas } from '../../gateway/schemas/load.ts'
import { CHECKOUT, EVENTS, readJson } from './schema-folder.ts'

const schemas = loadSchemas(CHECKOUT, EVENTS)

const documents = new Map(
  CHECKOUT.list(EVENTS)?.map((file): [string, Record<string, unknown>] => [
    file,
    readJson(`${EVENTS}/${file}`),
  ]),
)

/** The published schemas as anybody else would use them: Ajv as it comes, with its own check of the schemas. */
function published(): Ajv2020 {
  const ajv = new Ajv2020({ strict: true, allErrors: true, allowUnionTypes: true, strictRequired: false })
  ajv.addVocabulary(['x-identity', 'x-volatile', 'x-expected', 'x-added', 'x-order', 'x-decimal', 'pii'])
  ajv.addFormat('date', isDate)
  ajv.addFormat('date-time', isDateTime)
  for (const [file, schema] of documents) ajv.addSchema(schema, file)
  return ajv
}

const ajv = published()

function validatorOf(entity: string): ValidateFunction {
  const validate = ajv.getSchema(`${entity}.v1.json`)
  if (validate === undefined) throw new Error(`There is no schema for ${entity}.`)
  return validate
}

function exampleOf(entity: string): EventData {
  const examples = documents.get(`${entity}.v1.json`)?.['examples'] as readonly EventData[]
  const [example] = examples
  if (example === undefined) throw new Error(`${entity} has no example.`)
  return example
}

test('the entities that mappings fill are there', () => {
  expect(schemas.entities).toEqual([
    'employee',
    'goods-receipt',
    'invoice',
    'item',
    'item-plant',
    'partner',
    'payment',
    'production-order',
    'purchase-order',
    'release-task',
    'sales-order',
    'stock-level',
    'stock-movement',
  ])
})

describe.each(schemas.entities)('%s', (entity) => {
  const { validate, validateDeleted, identity, expected } = schemas.entity(entity)

  test('is JSON Schema 2020-12, and describes every field', () => {
    expect(() => validatorOf(entity)).not.toThrow()
    expect(undescribed(documents.get(`${entity}.v1.json`))).toEqual([])
  })

  test('has a worked example that fits, also for a validator that is not ours', () => {
    expect(validate(exampleOf(entity))).toEqual([])
    validatorOf(entity)(exampleOf(entity))
    expect(validatorOf(entity).errors).toBeNull()
  })

  test('shows in its example every field that a pack should fill', () => {
    const example = JSON.stringify(exampleOf(entity))
    for (const path of expected) expect(example, path).toContain(`"${path.split('.').at(-1)}":`)
  })

  test('takes a deletion that says the identity, and nothing more or less', () => {
    const example = exampleOf(entity)
    const deleted = Object.fromEntries(identity.map((name) => [name, example[name] ?? null]))
    expect(validateDeleted(deleted)).toEqual([])
    expect(validateDeleted({ ...deleted, changedAt: null }).join()).toContain('/changedAt')
    expect(validateDeleted({}).join()).toContain(`a deleted ${entity} version 1 requires it`)
  })

  test('gives the same answers as the published schema, whatever is spoilt', () => {
    fc.assert(
      fc.property(spoilt(exampleOf(entity)), (data) => {
        const ours = validate(data)
        expect(validatorOf(entity)(data), ours.join('\n')).toBe(ours.length === 0)
      }),
      { numRuns: 300 },
    )
  })
})

/** Fields without a description, neither of their own nor by the type that they refer to. */
function undescribed(document: unknown, path = ''): readonly string[] {
  if (typeof document !== 'object' || document === null) return []
  return Object.entries(document).flatMap(([name, value]) => {
    if (name === 'examples') return []
    const at = `${path}/${name}`
    const isField = path.endsWith('/properties') && !path.includes('anyOf')
    const isDescribed = ['description', '$ref'].some((keyword) => Object.hasOwn(Object(value), keyword))
    return [...(isField && !isDescribed ? [at] : []), ...undescribed(value, at)]
  })
}

const WRONG = [
  null,
  '',
  'x'.repeat(70),
  '1.',
  '-0',
  '-0.0',
  '007',
  '1e3',
  '1.50',
  'cny',
  'CNY',
  'approved',
  0,
]
  .concat(['2026-02-29', '2026-02-28', '2026-10-01T08:15:02', '2026-10-01T08:15:02Z', '😀'.repeat(60)])
  .concat([1.5, 2026, -1, 1e15])

type Mutable = { [name: string]: unknown }

/** The example with up to three values replaced, taken out or added anywhere in it. */
function spoilt(example: EventData): fc.Arbitrary<unknown> {
  const places = placesIn(example, [])
  const value = fc.oneof(fc.constantFrom<unknown>(...WRONG), fc.constantFrom({}, [], [null], [{}], true))
  const change = fc.tuple(fc.constantFrom(...places), fc.constantFrom('set', 'remove', 'add'), value)
  return fc.array(change, { maxLength: 3 }).map((changes) => {
    const copy: unknown = structuredClone(example)
    for (const [place, how, value] of changes) {
      const parent = place
        .slice(0, -1)
        .reduce<unknown>((at, step) => (at as Mutable | undefined)?.[step], copy)
      if (typeof parent !== 'object' || parent === null) continue
      const name = how === 'add' ? 'unheardOf' : (place.at(-1) ?? '')
      if (how === 'remove') delete (parent as Mutable)[name]
      else (parent as Mutable)[name] = value
    }
    return copy
  })
}

function placesIn(value: unknown, path: readonly string[]): (readonly string[])[] {
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([name, inner]) => [
    [...path, name],
    ...placesIn(inner, [...path, name]),
  ])
}

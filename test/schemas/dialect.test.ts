import { describe, expect, test } from 'vitest'
import { SchemaError } from '../../gateway/schemas/errors.ts'
import { loadSchemas } from '../../gateway/schemas/load.ts'
import { readShapes } from '../../gateway/schemas/read-shapes.ts'
import { folderOf } from './schema-folder.ts'

const VALUES = { $defs: { Code: { type: 'object', additionalProperties: false, properties: {} } } }

/** An entity with one field, which is written like this. */
function withField(schema: object): () => unknown {
  const entity = { type: 'object', additionalProperties: false, properties: { x: schema } }
  return () => readShapes(folderOf({ 'thing.v1.json': entity, 'value-types.v1.json': VALUES }), 'schemas')
}

describe('a schema that the house cannot hold anybody to', () => {
  test.each<[string, object, string]>([
    ['a keyword that we do not check', { type: 'string', contentEncoding: 'base64' }, '"contentEncoding"'],
    ['a slip in our own keyword', { type: 'string', 'x-identiti': true }, '"x-identiti"'],
    ['a number, which would be a float', { type: 'number' }, 'numbers are decimals as text'],
    ['an integer without bounds', { type: 'integer' }, 'a minimum and a maximum'],
    ['a format that we do not check', { type: 'string', format: 'email' }, '"email"'],
    ['an object that takes any field', { type: 'object', properties: {} }, 'refuse additional properties'],
    ['a list in no order', { type: 'array', items: { type: 'boolean' } }, '"x-order"'],
    [
      'a list sorted by a field that its items do not have',
      { type: 'array', items: { $ref: 'value-types.v1.json#/$defs/Code' }, 'x-order': 'line' },
      '"x-order"',
    ],
    ['two types', { type: ['string', 'boolean'] }, 'one name and "null"'],
    ['no type', {}, 'one name and "null"'],
    ['a reference to nothing', { $ref: 'value-types.v1.json#/$defs/Cod' }, 'nothing is called'],
    [
      'a keyword beside a reference',
      { $ref: 'value-types.v1.json#/$defs/Code', maxLength: 3 },
      '"maxLength"',
    ],
    [
      'a required field that is not there',
      { type: 'object', additionalProperties: false, properties: {}, required: ['y'] },
      'no field "y"',
    ],
    [
      'a choice that we do not check',
      { type: 'object', additionalProperties: false, properties: {}, anyOf: [{ minProperties: 1 }] },
      'each branch of "anyOf"',
    ],
  ])('is refused, with file and pointer: %s', (_what, schema, reason) => {
    expect(withField(schema)).toThrow(SchemaError)
    expect(withField(schema)).toThrow(/^thing\.v1\.json#\/properties\/x: /)
    expect(withField(schema)).toThrow(reason)
  })

  test('is refused where a type holds itself', () => {
    const node = {
      type: 'object',
      additionalProperties: false,
      properties: { inner: { $ref: '#/$defs/Node' } },
    }
    const tree = { ...node, $defs: { Node: node } }
    expect(() => readShapes(folderOf({ 'tree.v1.json': tree }), 'schemas')).toThrow(/holds itself/)
  })

  test('is refused where the file is no schema, or there is no folder', () => {
    expect(() => readShapes({ read: () => '{', list: () => ['thing.v1.json'] }, 'schemas')).toThrow(
      /not JSON/,
    )
    expect(() => readShapes({ read: () => '[]', list: () => ['thing.v1.json'] }, 'schemas')).toThrow(
      /JSON object/,
    )
    expect(() => readShapes(folderOf({ 'thing.v1.json': { type: 'boolean' } }), 'schemas')).toThrow(
      /an object/,
    )
    expect(() => readShapes({ read: () => null, list: () => null }, 'nowhere')).toThrow(
      /no schema folder nowhere/,
    )
  })
})

test('the newest version of an entity is the one that events are held to', () => {
  const version = (name: string) => ({
    type: 'object',
    additionalProperties: false,
    required: [name],
    properties: { [name]: { type: 'boolean' } },
  })
  const folder = folderOf({
    'thing.v2.json': version('b'),
    'thing.v10.json': version('c'),
    'thing.v1.json': version('a'),
  })
  const thing = loadSchemas(folder, 'schemas').entity('thing')
  expect(thing.version).toBe(10)
  expect(thing.uri).toBe('urn:erp-gateway:schema:thing.v10')
  expect(thing.validate({ c: true })).toEqual([])
})

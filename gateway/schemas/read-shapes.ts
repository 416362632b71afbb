import type { Json } from '../../adapters/contract.ts'
import type { Files } from '../ports.ts'
import { SchemaError } from './errors.ts'
import type { EntityShape, ListShape, Marks, ObjectShape, Property, Shape, TextShape } from './shape.ts'

/** The file that holds the types which all entities share. */
export const VALUE_TYPES = 'value-types.v1.json'

/** `<entity>.v<version>.json` */
const FILE_NAME = /^([a-z][a-z0-9]*(?:-[a-z0-9]+)*)\.v([1-9][0-9]*)\.json$/

/**
 * Reads every entity of a folder of schemas, in the order of their names, older versions first. The house uses a small part of JSON
 * Schema 2020-12; a keyword outside it is refused, since it would be checked by no validator of ours.
 * Throws SCHEMA_INVALID, naming file and pointer.
 */
export function readShapes(files: Files, folder: string): readonly EntityShape[] {
  const names = files.list(folder)
  if (names === null) throw new SchemaError('SCHEMA_INVALID', `There is no schema folder ${folder}.`)
  const documents = new Map<string, JsonObject>()
  for (const name of names.filter((name) => FILE_NAME.test(name))) {
    documents.set(name, parseDocument(name, files.read(`${folder}/${name}`)))
  }
  const shapes = [...documents.keys()]
    .filter((name) => name !== VALUE_TYPES)
    .map((file) => readEntity(documents, file))
  return shapes.sort((a, b) => (a.entity === b.entity ? a.version - b.version : a.entity < b.entity ? -1 : 1))
}

type JsonObject = { readonly [name: string]: Json }

/** Where in which file a node stands, and through which definitions it was reached. */
type Place = Readonly<{
  documents: ReadonlyMap<string, JsonObject>
  file: string
  pointer: string
  within: readonly string[]
}>

/** A node's shape with what is said about the field that it describes. */
type Node = Readonly<{ shape: Shape; marks: Marks; description: string }>

function parseDocument(file: string, text: string | null): JsonObject {
  let value: Json | undefined
  try {
    value = JSON.parse(text ?? '')
  } catch (error) {
    throw new SchemaError('SCHEMA_INVALID', `${file} is not JSON.`, error)
  }
  if (!isObject(value)) throw new SchemaError('SCHEMA_INVALID', `${file} is not a JSON object.`)
  return value
}

function readEntity(documents: ReadonlyMap<string, JsonObject>, file: string): EntityShape {
  const [, entity = '', version = ''] = FILE_NAME.exec(file) ?? []
  const document = documents.get(file) ?? {}
  const place: Place = { documents, file, pointer: '', within: [] }
  const { shape } = readNode(place, document)
  if (shape.kind !== 'object') throw refusal(place, 'an entity must be an object')
  const { examples } = document
  return { entity, version: Number(version), root: shape, examples: Array.isArray(examples) ? examples : [] }
}

function readNode(place: Place, node: Json | undefined): Node {
  if (!isObject(node)) throw refusal(place, 'a schema must be an object')
  if (typeof node.$ref === 'string') return readReference(place, node, node.$ref)
  const wrapped = nullableOf(node)
  if (wrapped !== null) {
    refuseOthers(place, node, ['anyOf'])
    const inner = readNode(at(place, 'anyOf/0'), wrapped)
    return withMarks(node, { ...inner, shape: { ...inner.shape, nullable: true } })
  }
  const [type, nullable] = typeOf(place, node)
  return withMarks(node, { shape: readTyped(place, node, type, nullable), marks: NO_MARKS, description: '' })
}

/** `anyOf: [schema, { type: null }]` is how JSON Schema says that a shared type may be null. */
function nullableOf(node: JsonObject): Json | null {
  const { anyOf, type } = node
  if (!Array.isArray(anyOf) || type !== undefined || anyOf.length !== 2) return null
  const [schema, nothing]: readonly Json[] = anyOf
  return schema !== undefined && isObject(nothing) && nothing.type === 'null' ? schema : null
}

function readReference(place: Place, node: JsonObject, reference: string): Node {
  refuseOthers(place, node, ['$ref'])
  const [target = '', name = ''] = reference.split('#/$defs/')
  const file = target === '' ? place.file : target
  const definitions = place.documents.get(file)?.$defs
  const definition = isObject(definitions) ? definitions[name] : undefined
  if (definition === undefined) throw refusal(place, `nothing is called "${reference}"`)
  const pointer = `/$defs/${name}`
  if (place.within.includes(file + pointer)) throw refusal(place, `"${reference}" holds itself`)
  const inside = { ...place, file, pointer, within: [...place.within, file + pointer] }
  const read = readNode(inside, definition)
  const { shape } = read
  const isNamed = (shape.kind === 'object' || shape.kind === 'text') && shape.name === null
  const named = isNamed ? { ...shape, name: { file, name } } : shape
  return withMarks(node, { ...read, shape: named })
}

function typeOf(place: Place, node: JsonObject): readonly [type: string, nullable: boolean] {
  const { type } = node
  if (typeof type === 'string') return [type, false]
  if (Array.isArray(type) && type.length === 2 && type[1] === 'null' && typeof type[0] === 'string') {
    return [type[0], true]
  }
  throw refusal(place, 'a type must be one name, or one name and "null"')
}

function readTyped(place: Place, node: JsonObject, type: string, nullable: boolean): Shape {
  switch (type) {
    case 'object':
      return isObject(node.additionalProperties)
        ? readMap(place, node, nullable)
        : readObject(place, node, nullable)
    case 'array':
      return readList(place, node, nullable)
    case 'string':
      return readText(place, node, nullable)
    case 'integer': {
      refuseOthers(place, node, ['type', 'minimum', 'maximum'])
      const { minimum, maximum } = node
      if (typeof minimum !== 'number' || typeof maximum !== 'number') {
        throw refusal(place, 'an integer needs a minimum and a maximum')
      }
      return { kind: 'integer', nullable, min: minimum, max: maximum }
    }
    case 'boolean':
      refuseOthers(place, node, ['type'])
      return { kind: 'boolean', nullable }
    default:
      throw refusal(place, `the type "${type}" is not used here: numbers are decimals as text`)
  }
}

function readObject(place: Place, node: JsonObject, nullable: boolean): ObjectShape {
  refuseOthers(place, node, ['type', 'properties', 'required', 'additionalProperties', 'anyOf'])
  if (node.additionalProperties !== false) throw refusal(place, 'an object must refuse additional properties')
  const required = names(node.required)
  const properties: Property[] = []
  for (const [name, child] of Object.entries(isObject(node.properties) ? node.properties : {})) {
    const { shape, marks, description } = readNode(at(place, `properties/${name}`), child)
    properties.push({ name, shape, required: required.includes(name), description, ...marks })
  }
  const group = eitherOf(place, node)
  for (const name of [...required, ...group]) {
    if (!properties.some((property) => property.name === name))
      throw refusal(place, `it has no field "${name}"`)
  }
  const description = textOf(node.description) ?? textOf(node.title) ?? ''
  return {
    kind: 'object',
    nullable,
    name: null,
    description,
    properties,
    eitherOf: group.length > 0 ? [group] : [],
  }
}

/** `anyOf` beside properties: each branch requires one field and refuses it as null. */
function eitherOf(place: Place, node: JsonObject): readonly string[] {
  if (node.anyOf === undefined) return []
  if (!Array.isArray(node.anyOf)) throw refusal(place, '"anyOf" must be a list')
  return node.anyOf.map((branch: Json) => {
    const [name, ...others] = isObject(branch) ? names(branch.required) : []
    const asWanted = { required: [name], properties: { [name ?? '']: { not: { type: 'null' } } } }
    if (name === undefined || others.length > 0 || JSON.stringify(branch) !== JSON.stringify(asWanted)) {
      throw refusal(place, 'each branch of "anyOf" must require one field that is not null, and nothing else')
    }
    return name
  })
}

function readMap(place: Place, node: JsonObject, nullable: boolean): Shape {
  refuseOthers(place, node, ['type', 'additionalProperties'])
  const values = readNode(at(place, 'additionalProperties'), node.additionalProperties)
  return { kind: 'map', nullable, values: values.shape }
}

function readList(place: Place, node: JsonObject, nullable: boolean): ListShape {
  refuseOthers(place, node, ['type', 'items', 'x-order'])
  const items = readNode(at(place, 'items'), node.items).shape
  const order = node['x-order']
  const isKnown =
    items.kind === 'object' ? items.properties.some((item) => item.name === order) : order === '.'
  if (typeof order !== 'string' || !isKnown) {
    throw refusal(
      place,
      'a list must name, as "x-order", the field that it is sorted by ("." for plain values)',
    )
  }
  return { kind: 'list', nullable, items, order }
}

function readText(place: Place, node: JsonObject, nullable: boolean): TextShape {
  refuseOthers(place, node, ['type', 'enum', 'pattern', 'format', 'minLength', 'maxLength', 'x-decimal'])
  const { format, minLength, maxLength } = node
  if (format !== undefined && format !== 'date' && format !== 'date-time') {
    throw refusal(place, `the format "${String(format)}" is not used here`)
  }
  return {
    kind: 'text',
    nullable,
    format: node['x-decimal'] === true ? 'decimal' : (format ?? 'text'),
    name: null,
    description: textOf(node.description) ?? '',
    allowed: node.enum === undefined ? null : names(node.enum),
    pattern: textOf(node.pattern),
    lengthMin: typeof minLength === 'number' ? minLength : 0,
    lengthMax: typeof maxLength === 'number' ? maxLength : null,
  }
}

const NO_MARKS: Marks = { identity: false, volatile: false, expected: false, added: false, personal: false }

/** Keywords that say nothing about the shape, and so may stand beside any. */
const ANNOTATIONS = ['$schema', '$defs', 'title', 'description', 'examples', 'pii'].concat([
  'x-identity',
  'x-volatile',
  'x-expected',
  'x-added',
])

/** What the node itself says, added to what it refers to. */
function withMarks(node: JsonObject, inner: Node): Node {
  const { marks } = inner
  return {
    shape: inner.shape,
    description: textOf(node.description) ?? inner.description,
    marks: {
      identity: marks.identity || node['x-identity'] === true,
      volatile: marks.volatile || node['x-volatile'] === true,
      expected: marks.expected || node['x-expected'] === true,
      added: marks.added || node['x-added'] === true,
      personal: marks.personal || node.pii === true,
    },
  }
}

function refuseOthers(place: Place, node: JsonObject, known: readonly string[]): void {
  const other = Object.keys(node).find((name) => !known.includes(name) && !ANNOTATIONS.includes(name))
  if (other !== undefined) throw refusal(place, `the keyword "${other}" is not used here`)
}

function refusal(place: Place, reason: string): SchemaError {
  return new SchemaError('SCHEMA_INVALID', `${place.file}#${place.pointer}: ${reason}.`)
}

function at(place: Place, step: string): Place {
  return { ...place, pointer: `${place.pointer}/${step}` }
}

function names(value: Json | undefined): readonly string[] {
  return Array.isArray(value) ? value.filter((name) => typeof name === 'string') : []
}

function textOf(value: Json | undefined): string | null {
  return typeof value === 'string' ? value : null
}

function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

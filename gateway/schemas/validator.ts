import { Ajv2020, type AnySchemaObject, type ValidateFunction } from 'ajv/dist/2020.js'
import { isDate, isDateTime, isDecimal } from './formats.ts'
import { sentencesOf } from './sentences.ts'
import type { ObjectShape, Property, Shape, ShapeName, TextShape } from './shape.ts'

/** What is wrong with a value, one sentence each; empty when nothing is. */
export type Validator = (data: unknown) => readonly string[]

/** Makes validators; each is compiled when it is first needed, and once. */
export type ValidatorCompiler = (root: ObjectShape, title: string) => Validator

/**
 * A compiler of its own for each set of schemas. What it compiles is not the published schema but one that says the
 * same with half the work: shared scalars stand where they are used, and "or null" is part of the type instead of a
 * branch. A test holds the two to the same answers.
 */
export function createCompiler(): ValidatorCompiler {
  const ajv = new Ajv2020({
    allErrors: true,
    verbose: true,
    strict: true,
    allowUnionTypes: true,
    meta: false,
    validateSchema: false,
    formats: { date: isDate, 'date-time': isDateTime, decimal: isDecimal },
    keywords: [
      { keyword: EITHER_OF, type: 'object', schemaType: 'array', errors: false, validate: hasOneOf },
    ],
  })
  return (root, title) => {
    let compiled: ValidateFunction | null = null
    return (data) => {
      compiled ??= ajv.compile(lower(root))
      return compiled(data) ? [] : sentencesOf(compiled.errors ?? [], title)
    }
  }
}

const EITHER_OF = 'x-either-of'

function hasOneOf(names: readonly string[], data: Readonly<Record<string, unknown>>): boolean {
  return names.some((name) => data[name] !== null && data[name] !== undefined)
}

function lower(root: ObjectShape): AnySchemaObject {
  const definitions: Record<string, AnySchemaObject> = {}
  const schema = lowerObject(root, definitions)
  return { ...schema, $defs: definitions }
}

function lowerShape(shape: Shape, definitions: Record<string, AnySchemaObject>): AnySchemaObject {
  const orNull = (type: string) => (shape.nullable ? [type, 'null'] : type)
  switch (shape.kind) {
    case 'object':
      return shape.name === null
        ? lowerObject(shape, definitions)
        : lowerNamed(shape, shape.name, definitions)
    case 'map':
      return { type: orNull('object'), additionalProperties: lowerShape(shape.values, definitions) }
    case 'list':
      return { type: orNull('array'), items: lowerShape(shape.items, definitions) }
    case 'text':
      return { type: orNull('string'), ...lowerText(shape) }
    case 'integer':
      return { type: orNull('integer'), minimum: shape.min, maximum: shape.max }
    case 'boolean':
      return { type: orNull('boolean') }
  }
}

/** One function for all places where a named object stands; another for those where it may be null. */
function lowerNamed(
  shape: ObjectShape,
  name: ShapeName,
  definitions: Record<string, AnySchemaObject>,
): AnySchemaObject {
  const key = `${name.file}.${name.name}${shape.nullable ? '.null' : ''}`
  definitions[key] ??= lowerObject(shape, definitions)
  return { $ref: `#/$defs/${key}` }
}

function lowerObject(shape: ObjectShape, definitions: Record<string, AnySchemaObject>): AnySchemaObject {
  const [group] = shape.eitherOf
  return {
    type: shape.nullable ? ['object', 'null'] : 'object',
    additionalProperties: false,
    required: shape.properties.filter((property) => property.required).map((property) => property.name),
    properties: Object.fromEntries(
      shape.properties.map(({ name, shape }: Property) => [name, lowerShape(shape, definitions)]),
    ),
    ...(group === undefined ? {} : { [EITHER_OF]: group }),
  }
}

function lowerText(shape: TextShape): AnySchemaObject {
  if (shape.allowed !== null) return { enum: shape.nullable ? [...shape.allowed, null] : shape.allowed }
  if (shape.format !== 'text') return { format: shape.format }
  return {
    ...(shape.pattern === null ? {} : { pattern: shape.pattern }),
    ...(shape.lengthMin === 0 ? {} : { minLength: shape.lengthMin }),
    ...(shape.lengthMax === null ? {} : { maxLength: shape.lengthMax }),
  }
}

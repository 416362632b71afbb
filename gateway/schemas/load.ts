import { schemaUri } from '../envelope.ts'
import type { ObjectType } from '../mapping/field-type.ts'
import type { Files } from '../ports.ts'
import { SchemaError } from './errors.ts'
import { readShapes } from './read-shapes.ts'
import { type EntityShape, fieldsOf, identityShape, markedFields } from './shape.ts'
import { fieldTypes } from './typed-fields.ts'
import { createCompiler, type ValidatorCompiler } from './validator.ts'

/** The entities that the house knows, by name. */
export type Schemas = Readonly<{
  entities: readonly string[]
  /** The newest version of an entity's schema. Throws SCHEMA_UNKNOWN, listing those that there are. */
  entity(name: string): EntitySchema
}>

/** What the schema of an entity says about its events. */
export type EntitySchema = Readonly<{
  /** `purchase-order` */
  entity: string
  version: number
  /** What `dataschema` says. */
  uri: string
  fieldTypes: ObjectType
  /** Top-level fields of `data` that a deletion still says. */
  identity: readonly string[]
  /** Top-level fields of `data` that are not part of the content. */
  volatile: readonly string[]
  /** Top-level fields that the gateway adds and mappings do not fill. */
  added: readonly string[]
  /** Paths that every pack should fill: `totals.gross`, `lines.item`. */
  expected: readonly string[]
  /** Paths that are shown only on purpose. */
  personal: readonly string[]
  /** What each list is sorted by, by its path: `lines` by `line`; `.` where its items are plain values. */
  orders: Readonly<Record<string, string>>
  /** What is wrong with the data, one sentence each with its JSON pointer; empty when nothing is. */
  validate(data: unknown): readonly string[]
  /** The same for the data of a deletion, which is the identity alone. */
  validateDeleted(data: unknown): readonly string[]
}>

/**
 * Reads the schemas of a folder. Validators are compiled when they are first used, so that a lane pays for its own
 * entity only. Throws SCHEMA_INVALID, naming file and pointer.
 */
export function loadSchemas(files: Files, folder: string): Schemas {
  const compile = createCompiler()
  /** Newer versions come later. */
  const known = new Map<string, EntitySchema>()
  for (const shape of readShapes(files, folder)) {
    known.set(shape.entity, entitySchema(shape, compile))
  }
  return {
    entities: [...known.keys()],
    entity(name) {
      const schema = known.get(name)
      if (schema !== undefined) return schema
      const names = [...known.keys()].join(', ')
      throw new SchemaError('SCHEMA_UNKNOWN', `No entity is called "${name}"; there are ${names}.`)
    },
  }
}

function entitySchema(shape: EntityShape, compile: ValidatorCompiler): EntitySchema {
  const { entity, version, root } = shape
  const fields = [...fieldsOf(root)]
  const paths = (isWanted: (field: (typeof fields)[number]) => boolean) =>
    fields.filter(isWanted).map((field) => field.path)
  const title = `${entity} version ${version}`
  return {
    entity,
    version,
    uri: schemaUri(entity, version),
    fieldTypes: fieldTypes(root),
    identity: markedFields(root, 'identity'),
    volatile: markedFields(root, 'volatile'),
    added: markedFields(root, 'added'),
    expected: paths(({ property }) => property.expected),
    personal: paths(({ property }) => property.personal),
    orders: Object.fromEntries(
      fields.flatMap(({ path, property }) =>
        property.shape.kind === 'list' ? [[path, property.shape.order]] : [],
      ),
    ),
    validate: compile(root, title),
    validateDeleted: compile(identityShape(root), `a deleted ${title}`),
  }
}

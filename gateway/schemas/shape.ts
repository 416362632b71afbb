/**
 * What the schemas of the house say, once they are read and their references followed. One tree from which come
 * the validators, the types of conditions, the TypeScript types, and the comparison of versions.
 */
export type EntityShape = Readonly<{
  entity: string
  version: number
  root: ObjectShape
  /** Worked examples, as they stand in the file. */
  examples: readonly unknown[]
}>

export type Shape = ObjectShape | MapShape | ListShape | TextShape | IntegerShape | BooleanShape

/** Where a named shape is declared: `PurchaseOrder` has its own `Line`, all entities share `Amount`. */
export type ShapeName = Readonly<{ file: string; name: string }>

export type ObjectShape = Readonly<{
  kind: 'object'
  nullable: boolean
  /** Null for an object that is written where it is used. */
  name: ShapeName | null
  description: string
  properties: readonly Property[]
  /** Of each group at least one field is there and not null. */
  eitherOf: readonly (readonly string[])[]
}>

/** Any names, all with the same kind of value. */
export type MapShape = Readonly<{ kind: 'map'; nullable: boolean; values: Shape }>

/** `order`: the field of the items that a list is sorted by, `.` for the items themselves. */
export type ListShape = Readonly<{ kind: 'list'; nullable: boolean; items: Shape; order: string }>

export type TextShape = Readonly<{
  kind: 'text'
  nullable: boolean
  format: 'text' | 'decimal' | 'date' | 'date-time'
  name: ShapeName | null
  description: string
  /** A closed list, or null. */
  allowed: readonly string[] | null
  pattern: string | null
  lengthMin: number
  lengthMax: number | null
}>

export type IntegerShape = Readonly<{ kind: 'integer'; nullable: boolean; min: number; max: number }>

export type BooleanShape = Readonly<{ kind: 'boolean'; nullable: boolean }>

export type Property = Readonly<
  {
    name: string
    shape: Shape
    /** Must be there, and not null unless its shape is nullable. */
    required: boolean
    description: string
  } & Marks
>

/** What the schemas say about a field beyond its shape. */
export type Marks = Readonly<{
  /** `x-identity`: part of what a deletion still says. */
  identity: boolean
  /** `x-volatile`: not part of the content. */
  volatile: boolean
  /** `x-expected`: every pack should fill it; `preview` shows when it does not. */
  expected: boolean
  /** `x-added`: the gateway adds it, mappings do not. */
  added: boolean
  /** `pii`: shown only on purpose. */
  personal: boolean
}>

/** Whether a field may be null or absent in an event that was published. */
export function mayBeNull(property: Property): boolean {
  return property.shape.nullable || !(property.required || property.added)
}

/** The names of the top-level fields with a mark, in the order of the schema. */
export function markedFields(root: ObjectShape, mark: keyof Marks): readonly string[] {
  return root.properties.filter((property) => property[mark]).map((property) => property.name)
}

/** Every field of a shape with its path, parents first: `lines`, `lines.item`, `lines.item.code`. */
export function* fieldsOf(
  shape: Shape,
  path = '',
): Generator<Readonly<{ path: string; property: Property }>, void, void> {
  if (shape.kind === 'list') yield* fieldsOf(shape.items, path)
  if (shape.kind !== 'object') return
  for (const property of shape.properties) {
    const at = path === '' ? property.name : `${path}.${property.name}`
    yield { path: at, property }
    yield* fieldsOf(property.shape, at)
  }
}

/** What a deletion still says: the identity fields, required where the whole entity requires them. */
export function identityShape(root: ObjectShape): ObjectShape {
  const properties = root.properties.filter((property) => property.identity)
  const names = new Set(properties.map((property) => property.name))
  return {
    ...root,
    properties,
    eitherOf: root.eitherOf.filter((group) => group.every((name) => names.has(name))),
  }
}

/**
 * What a field of an event may hold, as a plain tree: derived from an entity's schema, read by
 * mappings (which target fields exist, which must be filled) and by expressions (which operators
 * fit). A field that is not `nullable` is always there; one that is may be null or absent, which is
 * the same thing to both.
 */
export type FieldType = ObjectType | MapType | ListType | ScalarType

export type ObjectType = Readonly<{
  kind: 'object'
  fields: Readonly<Record<string, FieldType>>
  nullable: boolean
}>

/** Any names, all with the same kind of value: names by language, key columns of an ERP. */
export type MapType = Readonly<{ kind: 'map'; of: FieldType; nullable: boolean }>

export type ListType = Readonly<{ kind: 'list'; of: FieldType; nullable: boolean }>

/**
 * `decimal` is exact, a digit string in JSON; `integer` a whole number of at most 64 bit, in JSON a
 * number or a digit string. `values` is a closed list: no other text can stand there.
 */
export type ScalarType = Readonly<{
  kind: 'string' | 'decimal' | 'integer' | 'boolean' | 'date' | 'date-time'
  nullable: boolean
  values?: readonly string[]
}>

/** How a type is called in messages to people. */
export function typeName(type: FieldType): string {
  switch (type.kind) {
    case 'string':
      return 'text'
    case 'object':
      return 'an object'
    case 'map':
      return 'a map'
    case 'list':
      return 'a list'
    case 'integer':
      return 'an integer'
    default:
      return `a ${type.kind}`
  }
}

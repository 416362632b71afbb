import type { FieldType, ObjectType } from '../mapping/field-type.ts'
import type { ObjectShape, Shape } from './shape.ts'

/** The types of an entity's fields, as mappings and conditions read them. */
export function fieldTypes(root: ObjectShape): ObjectType {
  const fields: Record<string, FieldType> = {}
  for (const { name, shape, required } of root.properties) {
    fields[name] = fieldType(shape, shape.nullable || !required)
  }
  return { kind: 'object', fields, nullable: root.nullable }
}

function fieldType(shape: Shape, nullable: boolean): FieldType {
  switch (shape.kind) {
    case 'object':
      return { ...fieldTypes(shape), nullable }
    case 'map':
      return { kind: 'map', of: fieldType(shape.values, shape.values.nullable), nullable }
    case 'list':
      return { kind: 'list', of: fieldType(shape.items, shape.items.nullable), nullable }
    case 'text': {
      const kind = shape.format === 'text' ? 'string' : shape.format
      return shape.allowed === null ? { kind, nullable } : { kind, nullable, values: shape.allowed }
    }
    default:
      return { kind: shape.kind, nullable }
  }
}

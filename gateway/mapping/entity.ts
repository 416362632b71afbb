import type { EventData } from '../event.ts'
import type { ObjectType } from './field-type.ts'

/** What a mapping must know of the entity that it fills. */
export type EntitySchema = Readonly<{
  /** `purchase-order` */
  entity: string
  /** Changes when what is valid changes; part of a mapping's version. */
  version: number | string
  fieldTypes: ObjectType
  /** Top-level fields of `data` that a deletion still says. */
  identity: readonly string[]
  /** Top-level fields of `data` that are not part of the content. */
  volatile: readonly string[]
  /** What is wrong with the data, one sentence each; empty when nothing is. */
  validate(data: EventData): readonly string[]
}>

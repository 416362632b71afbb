import type { SourceRecord } from '../../adapters/contract.ts'
import type { EventData } from '../event.ts'
import type { Place } from './mistake.ts'

/** What the gateway knows besides the record when it maps one. */
export type MappingSource = Readonly<{
  system: string
  /** A company code, or `from-record`. */
  company: string
  /** Company codes to names and currencies; a record of another company is rejected. */
  companies: Readonly<Record<string, Readonly<{ name: string; currency: string }>>>
  /** IANA zone of local date-times in this source. */
  zone: string
}>

/** Everything of an event that depends on the record alone. */
export type Mapped = Readonly<
  | {
      kind: 'mapped'
      company: string
      /** Parts percent-encoded and joined by `/`. */
      subject: string
      /** RFC 3339 with offset, or null where the record does not say. */
      time: string | null
      /** Valid against the entity's schema. */
      data: EventData
    }
  | {
      kind: 'rejected'
      /** Stable: FIELD_MISSING, VALUE_REFUSED, CODE_UNKNOWN, SCHEMA_INVALID, COMPANY_UNKNOWN … */
      code: string
      /** Path of the source field or target field that is to blame, or null. */
      field: string | null
      /** Line of the rule in the mapping file, or null. */
      line: number | null
      reason: string
    }
>

/** A source field that a rule reads, and where that is written. */
export type FieldRead = Readonly<{
  /** Names from the record down, through lists: `lines`, `quantity`. */
  path: FieldPath
  /**
   * Fields that must be there for the rule to read this one: those of `optional` rules, also its own, and the lists
   * around it.
   */
  given: readonly FieldPath[]
  /** The place, and the setting in the mapping: `fields.lines.fields.ordered.from`. */
  at: Place & Readonly<{ field: string }>
}>

export type FieldPath = readonly string[]

/** A mapping, compiled once: pure, no clock, no randomness, no I/O. */
export type Mapping = Readonly<{
  name: string
  entity: string
  /** Changes with every change of meaning: a hash over the effective rules, tables and schema version. */
  version: string
  /** Every source field that a rule reads; the others do not matter to it. */
  reads: readonly FieldRead[]
  /** Top-level fields of `data` that make up the identity, kept in a deletion's data. */
  identity: readonly string[]
  /** Top-level fields of `data` that are not part of the content. */
  volatile: readonly string[]
  map(record: SourceRecord): Mapped
}>

import type { Json } from '../../adapters/contract.ts'
import type { ExpressionEnvironment } from './expression.ts'
import type { FieldType, ObjectType } from './field-type.ts'
import type { FieldPath, FieldRead, MappingSource } from './mapping.ts'
import type { Mistake } from './mistake.ts'
import type { Written, WrittenMap } from './written.ts'
import type { Zone } from './zone.ts'

/**
 * Why a record cannot be mapped. It goes from rule to rule as a value, up to the mapping's answer.
 */
export class Refusal {
  /** Stable: FIELD_MISSING, FIELD_EMPTY, VALUE_REFUSED, CODE_UNKNOWN, FORMULA_FAILED … */
  readonly code: string
  /** Path of the source field, or of the target where no one field is to blame. */
  readonly field: string
  readonly line: number
  readonly reason: string

  constructor(code: string, field: string, line: number, reason: string) {
    this.code = code
    this.field = field
    this.line = line
    this.reason = reason
  }
}

export type Row = { readonly [field: string]: Json }

/** A row of the source with the rows around it. */
export type Scope = Readonly<{
  row: Row
  /** The row of the enclosing list, or the record; null for the record itself. */
  parent: Scope | null
  /** What stands before a field's name in messages: `EKPO[1].`, or nothing. */
  prefix: string
}>

/** The event's data, or one element of a list in it, while it is filled. */
export type Target = { [field: string]: Json }

/**
 * A rule, compiled. `target` is what has been filled so far, for rules that look at the event
 * instead of the record.
 */
export type Rule = (scope: Scope, target: Target) => Json | Refusal

/** `isLate`: it looks at lists of the event, so it runs when they are there. */
export type CompiledRule = Readonly<{ apply: Rule; isLate: boolean }>

/** Makes the event's data, or one element of a list, from a row. */
export type Maker = (scope: Scope) => Target | Refusal

export type Table = ReadonlyMap<string, string>

/** What compiling a rule needs to know; mistakes are collected on the way. */
export type Compiling = Readonly<{
  mistakes: Mistake[]
  tables: ReadonlyMap<string, Table>
  source: MappingSource
  zone: Zone
  /** What rules read of the record is collected on the way, too. */
  reads: FieldRead[]
  /** What expressions see: `record`, and inside a list `parent`. */
  expressions(isInList: boolean): ExpressionEnvironment
  /**
   * Where in the record the rows are that enclose the rule: the record itself, then those of each list around it. A
   * path may go up through all of them.
   */
  rows: readonly FieldPath[]
  /** Fields that must be there for the rule to read anything. */
  given: readonly FieldPath[]
  /** Compiles the rule of one target. */
  rule(written: Written, type: FieldType, compiling: Compiling): CompiledRule
  /** Compiles a map of targets. */
  fields(written: WrittenMap, type: ObjectType, compiling: Compiling): Maker
}>

export function refuse(scope: Scope, code: string, field: string, line: number, reason: string): Refusal {
  return new Refusal(code, scope.prefix + field, line, reason)
}

/** What a rule with a mistake compiles to; it is never run, since the mapping is not handed out. */
export const BROKEN: CompiledRule = { apply: () => null, isLate: false }

export function isRow(value: Json | undefined): value is Row {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

export function isJsonList(value: Json | undefined): value is readonly Json[] {
  return Array.isArray(value)
}

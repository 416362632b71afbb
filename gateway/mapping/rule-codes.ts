import type { Json } from '../../adapters/contract.ts'
import type { FieldType, ObjectType } from './field-type.ts'
import { BROKEN, type CompiledRule, type Compiling, Refusal, type Rule, refuse, type Scope } from './rule.ts'
import { compileRowExpression, type RowExpression } from './rule-expression.ts'
import { openOptions, type RuleOptions } from './rule-options.ts'
import { checkClosedList, stripOf } from './rule-scalars.ts'
import { missing, shown, VALUE_KEYS, valueRule } from './rule-value.ts'
import { readText, type SourceField } from './source-field.ts'
import { mistakeAt, type Written, type WrittenMap } from './written.ts'

/**
 * A coded value: `code` as people write it, `raw` as the ERP stores it, `name` from a field or from
 * a table of names. `also` fills what else the object has, from fields: `also: { taxId: STCEG }`.
 */
export function codeRule(written: WrittenMap, type: ObjectType, compiling: Compiling): CompiledRule {
  const keys = [...VALUE_KEYS, 'strip', 'table', 'name', 'names', 'also']
  const options = openOptions(written, keys, compiling)
  const strip = stripOf(options)
  const table = options.table('table')
  const names = options.table('names')
  const name = options.field('name', false)
  if (name !== null && names !== null) options.fail('a name comes from "name" or from "names", not from both')
  const also = compileAlso(options, type, compiling)
  const hasRaw = type.fields['raw'] !== undefined
  const hasName = type.fields['name'] !== undefined
  return valueRule(options, type, (raw, scope, field) => {
    const code = table === null ? strip(raw) : table.get(raw)
    if (code === undefined) {
      return field.refuse(scope, 'CODE_UNKNOWN', `${field.name} "${shown(raw)}" is not in the table`)
    }
    const coded: { [name: string]: Json } = { code }
    if (hasRaw) coded['raw'] = raw
    if (hasName) {
      const text = name === null ? (names?.get(raw) ?? null) : nameIn(scope, name)
      if (text instanceof Refusal) return text
      coded['name'] = text
    }
    for (const [target, apply] of also) {
      const value = apply(scope, coded)
      if (value instanceof Refusal) return value
      coded[target] = value
    }
    return coded
  })
}

function nameIn(scope: Scope, field: SourceField): string | null | Refusal {
  const text = readText(field, scope)
  if (text === undefined) return missing(field, scope)
  return text === '' ? null : text
}

function compileAlso(
  options: RuleOptions,
  type: ObjectType,
  compiling: Compiling,
): readonly (readonly [string, Rule])[] {
  const written = options.at('also')
  if (written === null) return []
  if (written.kind !== 'map') return options.fail('"also" is a map of targets to rules') ?? []
  const others = Object.entries(type.fields).filter(([name]) => !['code', 'raw', 'name'].includes(name))
  const rest: ObjectType = { kind: 'object', nullable: false, fields: Object.fromEntries(others) }
  const fields = [...written.entries].map(([name, { value }]) => {
    const field = rest.fields[name]
    if (field === undefined) {
      compiling.mistakes.push(mistakeAt(value, `the event has no "${name}" here`))
      return [name, BROKEN.apply] as const
    }
    return [name, compiling.rule(value, field, compiling).apply] as const
  })
  return fields
}

/**
 * A status: `{code, raw}` with a code of the entity's closed list. The first of `cases` that holds
 * decides, or a `table` from the raw text where that is all there is to it; when neither knows, the
 * record is rejected.
 */
export function statusRule(written: WrittenMap, type: ObjectType, compiling: Compiling): CompiledRule {
  const options = openOptions(written, ['as', 'raw', 'cases', 'table'], compiling)
  const raw = options.field('raw', options.has('table'))
  const table = options.table('table')
  const codeType: FieldType = type.fields['code'] ?? { kind: 'string', nullable: false }
  const cases = compileCases(options, codeType, compiling)
  if (options.has('cases') === options.has('table')) options.fail('a status has either "cases" or a "table"')
  checkClosedList(options.at('table') ?? written, codeType, [...(table?.values() ?? [])], compiling)
  const { line, place } = { line: options.line, place: options.written.path }
  const hasRaw = type.fields['raw'] !== undefined
  return {
    isLate: false,
    apply(scope) {
      const text = raw === null ? null : readText(raw, scope)
      if (text === undefined) return raw === null ? null : missing(raw, scope)
      if (text instanceof Refusal) return text
      const code = table === null ? firstCase(cases, scope, line) : (table.get(text ?? '') ?? null)
      if (code instanceof Refusal) return code
      if (code === null) {
        const said = raw === null ? 'no case holds' : `${raw.name} "${shown(text ?? '')}" fits no case`
        return refuse(scope, 'CODE_UNKNOWN', raw?.name ?? targetOf(place), line, said)
      }
      return hasRaw ? { code, raw: text === '' ? null : text } : { code }
    },
  }
}

type Case = Readonly<{ when: RowExpression; code: string; field: string }>

function compileCases(options: RuleOptions, codeType: FieldType, compiling: Compiling): readonly Case[] {
  const written = options.at('cases')
  if (written === null) return []
  if (written.kind !== 'list') return options.fail('"cases" is a list of { when: CEL, code: CODE }') ?? []
  return written.items.map((item) => compileCase(item, codeType, compiling)).filter((item) => item !== null)
}

function compileCase(written: Written, codeType: FieldType, compiling: Compiling): Case | null {
  if (written.kind !== 'map') {
    compiling.mistakes.push(mistakeAt(written, 'a case is written { when: CEL, code: CODE }'))
    return null
  }
  const options = openOptions(written, ['when', 'code'], compiling)
  const code = options.text('code')
  if (code === null && !options.has('code')) options.fail('"code" is missing')
  checkClosedList(options.at('code') ?? written, codeType, code === null ? [] : [code], compiling)
  if (!options.has('when')) options.fail('"when" is missing; write when: \'true\' for all others')
  const when = compileRowExpression(options.at('when'), 'boolean', compiling)
  return when === null || code === null ? null : { when, code, field: targetOf(written.path) }
}

function firstCase(cases: readonly Case[], scope: Scope, line: number): string | null | Refusal {
  for (const { when, code, field } of cases) {
    const evaluated = when.evaluate(scope)
    if (evaluated.kind === 'failed') return refuse(scope, 'FORMULA_FAILED', field, line, evaluated.reason)
    if (evaluated.value === true) return code
  }
  return null
}

/** `fields.lines.fields.status.cases[0]` → `status`: the target that a message is about. */
export function targetOf(path: string): string {
  const names = path.replace(/\.cases\[\d+\]$/, '').split('.')
  return names.at(-1) ?? path
}

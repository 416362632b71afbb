import { createHash } from 'node:crypto'
import type { Json, SourceRecord } from '../../adapters/contract.ts'
import type { MappingDefinition } from './definition.ts'
import type { EntitySchema } from './entity.ts'
import { createExpressionEnvironment, type ExpressionEnvironment } from './expression.ts'
import type { Mapped, Mapping, MappingSource } from './mapping.ts'
import { inFileOrder, type Mistake, suggestion } from './mistake.ts'
import { type Compiling, type Maker, Refusal, type Scope, type Table } from './rule.ts'
import { readDateTime } from './rule-dates.ts'
import { ADDED_FIELDS, compileTargets } from './rule-objects.ts'
import { shown } from './rule-value.ts'
import { compileSourceField, readText, type SourceField } from './source-field.ts'
import { compileSubject, type Keys } from './subject.ts'
import { entry, mistakeAt, plain, type Written } from './written.ts'
import { createZone, type Zone } from './zone.ts'

export type CompiledMapping = Readonly<
  { kind: 'compiled'; mapping: Mapping } | { kind: 'invalid'; mistakes: readonly Mistake[] }
>

/**
 * Compiles a definition for one entity and one source to plain functions: nothing is interpreted
 * per record. All mistakes are reported together, with file, line, column and the nearest valid
 * name.
 */
export function compileMapping(
  definition: MappingDefinition,
  schema: EntitySchema,
  source: MappingSource,
): CompiledMapping {
  const { written } = definition
  const mistakes: Mistake[] = [...definition.mistakes]
  const zone = createZone(source.zone)
  if (zone === null || definition.entity !== schema.entity) {
    const message =
      zone === null
        ? `the zone of the source, "${source.zone}", is not known; use a name such as Asia/Shanghai`
        : `this mapping fills "${definition.entity}", not "${schema.entity}"`
    return invalid([...mistakes, mistakeAt(entry(written, 'entity') ?? written, message)])
  }
  const compiling = startCompiling(definition, source, zone, mistakes)
  const fields = entry(written, 'fields')
  const hasFields = fields?.kind === 'map'
  if (!hasFields)
    mistakes.push(mistakeAt(fields ?? written, '"fields" is missing: the targets with their rules'))
  const make = hasFields ? compileTargets(fields, schema.fieldTypes, compiling, ADDED_FIELDS) : null
  const keys = compileSubject(entry(written, 'key') ?? written, compiling)
  const company = compileCompany(entry(written, 'company'), written, compiling)
  const time = compileTime(entry(written, 'changedAt'), compiling)
  if (make === null || mistakes.length > 0) return invalid(mistakes)
  const parts: Parts = { make, keys, company, time, source, zone, schema }
  return {
    kind: 'compiled',
    mapping: {
      name: definition.name,
      entity: schema.entity,
      version: versionOf(definition, schema, source),
      reads: compiling.reads,
      identity: schema.identity,
      volatile: schema.volatile,
      map: (record) => mapRecord(record, parts),
    },
  }
}

function invalid(mistakes: readonly Mistake[]): CompiledMapping {
  return { kind: 'invalid', mistakes: inFileOrder(mistakes) }
}

function startCompiling(
  definition: MappingDefinition,
  source: MappingSource,
  zone: Zone,
  mistakes: Mistake[],
): Compiling {
  const environments = new Map<boolean, ExpressionEnvironment>()
  return {
    mistakes,
    source,
    zone,
    tables: compileTables(entry(definition.written, 'tables'), mistakes),
    reads: [],
    rows: [[]],
    given: [],
    expressions(isInList) {
      const record = { record: { kind: 'text-fields' } } as const
      const known = environments.get(isInList)
      const made =
        known ?? createExpressionEnvironment(isInList ? { ...record, parent: record.record } : record)
      environments.set(isInList, made)
      return made
    },
    rule: () => ({ apply: () => null, isLate: false }),
    fields: compileTargets,
  }
}

function compileTables(written: Written | null, mistakes: Mistake[]): ReadonlyMap<string, Table> {
  const tables = new Map<string, Table>()
  if (written?.kind !== 'map') return tables
  for (const [name, { value: table }] of written.entries) {
    const values = new Map<string, string>()
    if (table.kind !== 'map')
      mistakes.push(mistakeAt(table, 'a table is a map from the texts of the ERP to ours'))
    for (const [key, { value }] of table.kind === 'map' ? table.entries : []) {
      if (value.kind === 'text') values.set(key, value.text)
      else mistakes.push(mistakeAt(value, 'a table gives texts; quote true, false and null'))
    }
    tables.set(name, values)
  }
  return tables
}

/** Where a record's company comes from; null where the source is of one company. */
function compileCompany(written: Written | null, top: Written, compiling: Compiling): SourceField | null {
  if (compiling.source.company !== 'from-record') {
    const { company, companies } = compiling.source
    if (!Object.hasOwn(companies, company)) {
      const near = suggestion(company, Object.keys(companies))
      compiling.mistakes.push(mistakeAt(top, `the source's company "${company}" is not declared${near}`))
    }
    return null
  }
  if (written !== null) return compileSourceField(written, compiling)
  const message = 'the source says `company: from-record`, so the mapping must name the field: company: BUKRS'
  compiling.mistakes.push(mistakeAt(top, message))
  return null
}

/** When the ERP changed the record: the mapping's own rule. */
function compileTime(written: Written | null, compiling: Compiling): Maker | null {
  if (written === null) return null
  const type = { kind: 'date-time', nullable: true } as const
  const root = { kind: 'object', nullable: false, fields: { changedAt: type } } as const
  const entries = new Map([['changedAt', { key: written.place, value: written }]])
  return compileTargets({ ...written, kind: 'map', entries }, root, compiling)
}

/**
 * Changes with every change of meaning, and with nothing else: not with comments, order of keys, or
 * tests. What the config says of the source (its system, companies, zone) is part of the meaning.
 */
function versionOf(definition: MappingDefinition, schema: EntitySchema, source: MappingSource): string {
  const { tests, mapping, ...rules } = Object.fromEntries(definition.written.entries)
  const effective = Object.fromEntries(Object.entries(rules).map(([name, { value }]) => [name, plain(value)]))
  const { system, company, companies, zone } = source
  // What a source with one company makes of its records does not depend on the others.
  const own = Object.entries(companies).filter(([code]) => company === 'from-record' || code === company)
  const names = Object.fromEntries(own.map(([code, { name, currency }]) => [code, { name, currency }]))
  const meaning = {
    language: LANGUAGE_VERSION,
    schema: schema.version,
    ...{ system, company, companies: names, zone },
    effective,
  }
  return createHash('sha256').update(canonical(meaning)).digest('hex').slice(0, 16)
}

/**
 * Raised when the same file comes to mean something else because a rule of the language changed.
 */
const LANGUAGE_VERSION = 1

function canonical(value: Json): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`
  const entries = Object.entries(value).sort(([left], [right]) => (left < right ? -1 : 1))
  return `{${entries.map(([name, inner]) => `${JSON.stringify(name)}:${canonical(inner)}`).join(',')}}`
}

// ─── at run time ─────────────────────────────────────────────────────────────────────────────────

type Parts = Readonly<{
  make: Maker
  keys: Keys
  company: SourceField | null
  time: Maker | null
  source: MappingSource
  zone: Zone
  schema: EntitySchema
}>

function mapRecord(record: SourceRecord, parts: Parts): Mapped {
  const scope: Scope = { row: record.data, parent: null, prefix: '' }
  const company = companyOf(scope, parts)
  if (company instanceof Refusal) return rejected(company)
  const subject = parts.keys.subject(scope)
  if (subject instanceof Refusal) return rejected(subject)
  const time = timeOf(record, scope, parts)
  if (time instanceof Refusal) return rejected(time)
  const data = parts.make(scope)
  if (data instanceof Refusal) return rejected(data)
  data['company'] = company
  data['changedAt'] = time
  data['erpKeys'] = parts.keys.erpKeys(scope)
  return checked({ kind: 'mapped', company: company.code, subject, time, data }, parts.schema)
}

function checked(mapped: Extract<Mapped, { kind: 'mapped' }>, schema: EntitySchema): Mapped {
  const faults = schema.validate(mapped.data)
  const [first] = faults
  if (first === undefined) return mapped
  const more = faults.length > 1 ? ` (and ${faults.length - 1} more)` : ''
  return { kind: 'rejected', code: 'SCHEMA_INVALID', field: null, line: null, reason: `${first}${more}` }
}

function rejected({ code, field, line, reason }: Refusal): Mapped {
  return { kind: 'rejected', code, field, line, reason }
}

function companyOf(scope: Scope, { company: field, source }: Parts): CompanyData | Refusal {
  const code = field === null ? source.company : readText(field, scope)
  if (code instanceof Refusal) return code
  const company =
    code === undefined || !Object.hasOwn(source.companies, code) ? undefined : source.companies[code]
  if (code !== undefined && company !== undefined) return { code, name: company.name }
  const name = field?.name ?? 'company'
  const said =
    code === undefined ? 'is not in the record' : `"${shown(code)}" is not one of the companies configured`
  return field === null
    ? new Refusal('COMPANY_UNKNOWN', name, 1, `${name} ${said}`)
    : field.refuse(scope, 'COMPANY_UNKNOWN', `${name} ${said}`)
}

type CompanyData = { readonly code: string; readonly name: string }

/** The mapping's own rule first; then what the adapter knows of the record. */
function timeOf(record: SourceRecord, scope: Scope, { time, zone }: Parts): string | null | Refusal {
  const ruled = time === null ? null : time(scope)
  if (ruled instanceof Refusal) return ruled
  const own = ruled?.['changedAt']
  if (typeof own === 'string') return own
  return record.changedAt === null ? null : readDateTime(record.changedAt, zone)
}

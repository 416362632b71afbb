import { join } from 'node:path'
import type { Knowledge } from './config/references.ts'
import type { CompileCondition } from './dingtalk/routes.ts'
import { loadTemplates, type Templates } from './dingtalk/templates.ts'
import { compileMapping } from './mapping/compile-mapping.ts'
import { conditionValues, conditionVariables } from './mapping/condition.ts'
import { listMappings, loadMapping } from './mapping/definition.ts'
import {
  compileExpression,
  createExpressionEnvironment,
  type ExpressionEnvironment,
} from './mapping/expression.ts'
import type { Mapping, MappingSource } from './mapping/mapping.ts'
import { mistakesText } from './mapping/mistake.ts'
import type { Files } from './ports.ts'
import { loadSchemas, type Schemas } from './schemas/load.ts'

/**
 * The language of the house as one process speaks it: schemas, mappings, templates and conditions, read from `schemas/`
 * of the package and from the installation's own folders. What is not used is not compiled.
 */
export type Language = Readonly<{
  schemas: Schemas
  knowledge: Knowledge
  templates(): Templates
  compileCondition: CompileCondition
  /** Throws with every mistake, a line each, when the mapping cannot be used. */
  mapping(name: string, folders: readonly string[], source: MappingSource): Mapping
}>

export function loadLanguage(files: Files, packageFolder: string): Language {
  const schemas = loadSchemas(files, join(packageFolder, 'schemas', 'events'))
  const builtIn = join(packageFolder, 'schemas', 'mappings')
  const templateFolder = join(packageFolder, 'schemas', 'templates')
  const environments = createEnvironments(schemas)
  const foldersOf = (folders: readonly string[]) => [...folders, builtIn]
  let templates: Templates | null = null
  const language: Language = {
    schemas,
    templates: () => {
      templates ??= loadTemplates(files, templateFolder)
      return templates
    },
    compileCondition: (entity, text) => compileCondition(schemas, environments(entity), entity, text),
    mapping(name, folders, source) {
      const loaded = loadMapping(name, foldersOf(folders), files)
      if (loaded.kind === 'invalid') throw new Error(mistakesText(loaded.mistakes))
      const { definition } = loaded
      const compiled = compileMapping(definition, schemas.entity(definition.entity), source)
      if (compiled.kind === 'invalid') throw new Error(mistakesText(compiled.mistakes))
      return compiled.mapping
    },
    knowledge: {
      knownEntities: schemas.entities,
      calendarFolder: join(packageFolder, 'schemas', 'calendars'),
      knownTemplates: (files.list(templateFolder) ?? [])
        .filter((name) => name.endsWith('.yaml'))
        .map((name) => name.slice(0, -'.yaml'.length)),
      knownMappings: (folders) => listMappings(foldersOf(folders), files),
      mappingEntity(name, folders) {
        const loaded = loadMapping(name, foldersOf(folders), files)
        return loaded.kind === 'loaded' ? loaded.definition.entity : null
      },
      mappingMistakes(name, folders) {
        const loaded = loadMapping(name, foldersOf(folders), files)
        return loaded.kind === 'invalid' ? loaded.mistakes : []
      },
      checkCondition(entity, text) {
        const where = { file: '', line: 1, column: 1, field: 'when' }
        const compiled = compileExpression(text, environments(entity), where)
        return compiled.kind === 'compiled'
          ? []
          : [{ message: compiled.mistake.message, offset: compiled.offset }]
      },
    },
  }
  return language
}

/** Declaring variables costs milliseconds: one environment an entity, made when it is first needed. */
function createEnvironments(schemas: Schemas): (entity: string) => ExpressionEnvironment {
  const made = new Map<string, ExpressionEnvironment>()
  return (entity) => {
    const known = made.get(entity)
    if (known !== undefined) return known
    const environment = createExpressionEnvironment(conditionVariables(schemas.entity(entity).fieldTypes))
    made.set(entity, environment)
    return environment
  }
}

function compileCondition(
  schemas: Schemas,
  environment: ExpressionEnvironment,
  entity: string,
  text: string,
): ReturnType<CompileCondition> {
  const { fieldTypes } = schemas.entity(entity)
  const where = { file: 'when', line: 1, column: 1, field: 'when' }
  const compiled = compileExpression(text, environment, where)
  if (compiled.kind === 'invalid') throw new Error(compiled.mistake.message)
  const { expression } = compiled
  return (event) => {
    const answer = expression.evaluate(conditionValues(fieldTypes, event))
    if (answer.kind === 'failed') return answer
    return typeof answer.value === 'boolean'
      ? { kind: 'value', value: answer.value }
      : { kind: 'failed', reason: `the condition gave ${JSON.stringify(answer.value)}, not true or false` }
  }
}

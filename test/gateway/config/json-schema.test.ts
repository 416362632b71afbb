import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Ajv2020, type AnySchemaObject } from 'ajv/dist/2020.js'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { ADAPTERS } from '../../../adapters/registry.ts'
import { configJsonSchema, type JsonSchema } from '../../../gateway/config/json-schema.ts'
import { configSchema } from '../../../scripts/generate/config-schema.ts'
import { GOOD, otherAdapter, toyAdapter } from './world.ts'

const STARTER = readFileSync(join(import.meta.dirname, '../../../schemas/starter/gateway.yaml'), 'utf8')

/** What an editor finds, which reads YAML with numbers and dates in it. */
function underlined(schema: object, yaml: string): readonly string[] {
  const ajv = new Ajv2020({
    allErrors: true,
    allowUnionTypes: true,
    strictRequired: false,
    strictTypes: false,
  })
  for (const mark of ['secret', 'reference', 'path']) ajv.addKeyword(mark)
  const validate = ajv.compile(schema as AnySchemaObject)
  return validate(parse(yaml))
    ? []
    : (validate.errors ?? []).map(({ instancePath, message }) => `${instancePath} ${message}`)
}

describe.each([
  ['the starter config', configJsonSchema(ADAPTERS), STARTER],
  ['a config that uses every section', configJsonSchema([toyAdapter, otherAdapter]), GOOD],
])('in %s, an editor', (_, schema, yaml) => {
  test('underlines nothing', () => {
    expect(underlined(schema, yaml)).toEqual([])
  })

  test('underlines a misspelt key, a wrong kind and a missing key', () => {
    expect(underlined(schema, yaml.replace('companies:', 'companys:'))).toContainEqual(
      expect.stringContaining('must NOT have additional properties'),
    )
    expect(underlined(schema, yaml.replace(/ {4}poll:/, '    pol:')).join('\n')).toContain('/sources/')
    expect(underlined(schema, yaml.replace(/kind: (toy|database)/, 'kind: abacus')).join('\n')).toContain(
      '/sources/',
    )
    expect(underlined(schema, yaml.replace(/ {4}system: .*\n/, '')).join('\n')).toContain('/sources/')
    expect(underlined(schema, yaml.replace('diskMax: 20GB', 'diskMax: 20 GB')).join('\n')).toContain(
      '/log/diskMax',
    )
    expect(underlined(schema, yaml.replace('zh-', 'zz-')).join('\n')).toContain('/language')
  })
})

test('takes codes that look like numbers, and asks for whole numbers where one is meant', () => {
  const schema = configJsonSchema([toyAdapter, otherAdapter])
  const workers = (value: string) => underlined(schema, GOOD.replace('data: ./data', `workersMax: ${value}`))
  expect(workers('16')).toEqual([])
  expect(workers('many')).not.toEqual([])
  expect(workers('1.5')).not.toEqual([])
  expect(workers('300')).not.toEqual([])
})

test('describes every setting, and shows defaults as one writes them', () => {
  const { properties } = configJsonSchema(ADAPTERS)
  const [embedded, kafka] = properties?.['log']?.oneOf ?? []
  expect(embedded?.properties?.['diskMax']?.default).toBe('20GB')
  expect(kafka?.properties?.['client']?.default).toBe('kafkajs')
  expect(properties?.['workersMax']?.default).toBe(16)
  expect(JSON.stringify(configJsonSchema(ADAPTERS))).toMatch(/"statementTimeout":\{[^}]*"default":"20s"/)
  expect(undescribed(configJsonSchema(ADAPTERS), '')).toEqual([])
})

test('is the file in the repository', async () => {
  const [[path = '', content] = []] = Object.entries(await configSchema.files())
  expect(readFileSync(join(import.meta.dirname, '../../..', path), 'utf8')).toBe(content)
})

/** Paths of settings without a description; an alternative speaks for itself where the whole has one. */
function undescribed(schema: JsonSchema, path: string): readonly string[] {
  const named = Object.entries(schema.properties ?? {}).flatMap(([name, of]) => [
    ...(of.description === undefined ? [`${path}.${name}`] : []),
    ...undescribed(of, `${path}.${name}`),
  ])
  const inner = [schema.items, schema.additionalProperties, ...(schema.oneOf ?? []), ...(schema.anyOf ?? [])]
  return [...named, ...inner.flatMap((of) => (typeof of === 'object' ? undescribed(of, `${path}.*`) : []))]
}

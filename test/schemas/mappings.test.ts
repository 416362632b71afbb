import { describe, expect, test } from 'vitest'
import { listMappings, loadMapping } from '../../gateway/mapping/definition.ts'
import { runMappingTests } from '../../gateway/mapping/mapping-tests.ts'
import { mistakesText } from '../../gateway/mapping/mistake.ts'
import { loadSchemas } from '../../gateway/schemas/load.ts'
import { CHECKOUT, EVENTS, MAPPINGS } from './schema-folder.ts'

const folders = [MAPPINGS]
const schemas = loadSchemas(CHECKOUT, EVENTS)

describe.each(listMappings(folders, CHECKOUT))('%s', (name) => {
  const loaded = loadMapping(name, folders, CHECKOUT)

  test('can be read', () => {
    expect(loaded.kind === 'invalid' ? mistakesText(loaded.mistakes) : '').toBe('')
  })

  if (loaded.kind === 'invalid') return
  const { definition } = loaded
  const results = runMappingTests(definition, schemas.entity(definition.entity))

  test('brings examples, with a rejection among them', () => {
    const said = definition.written.entries.get('tests')?.value
    const examples = said?.kind === 'list' ? said.items : []
    const rejections = examples.filter((item) => item.kind === 'map' && item.entries.has('rejected'))
    expect(examples.length).toBeGreaterThan(1)
    expect(rejections.length).toBeGreaterThan(0)
  })

  test.each(results)('$name', ({ differences, line }) => {
    expect(differences, `${definition.file}:${line}`).toEqual([])
  })
})

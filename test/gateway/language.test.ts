import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { loadLanguage } from '../../gateway/language.ts'
import { mistakesText } from '../../gateway/mapping/mistake.ts'
import { createFiles } from '../../gateway/node/files.ts'
import type { Files } from '../../gateway/ports.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))

/** The files of the package, and one mapping of an installation. */
function withMapping(text: string): Files {
  const files = createFiles()
  return {
    read: (path) => (path === '/site/shop/item.yaml' ? text : files.read(path)),
    list: (path) => (path === '/site' ? ['shop'] : path === '/site/shop' ? ['item.yaml'] : files.list(path)),
  }
}

test('says with file and line what is wrong with a mapping that makes no entity', () => {
  const said = (text: string) => {
    const { knowledge } = loadLanguage(withMapping(text), ROOT)
    expect(knowledge.mappingEntity('shop/item', ['/site'])).toBeNull()
    return mistakesText(knowledge.mappingMistakes('shop/item', ['/site']))
  }
  expect(said('mapping: shop/item\nversion: 1\n')).toContain('/site/shop/item.yaml:1:1 "entity" is missing')
  expect(said('mapping: shop/item\nentity: item\nfields: [\n')).toMatch(/^\/site\/shop\/item\.yaml:4:1 /)
})

test('finds nothing wrong with a mapping that makes one', () => {
  const { knowledge } = loadLanguage(withMapping('mapping: shop/item\nentity: item\n'), ROOT)
  expect(knowledge.mappingEntity('shop/item', ['/site'])).toBe('item')
  expect(knowledge.mappingMistakes('shop/item', ['/site'])).toEqual([])
})

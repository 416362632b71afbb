import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { faultGaps, faultsPage } from '../../scripts/generate/faults.ts'
import { ROOT } from '../../scripts/steps.ts'
import { readTree, type Tree } from '../../scripts/tidy.ts'

test('every promise and every fault has a test, or an issue that will bring it', () => {
  expect(faultGaps(readTree(ROOT, 'test'))).toEqual([])
})

test('lists the ten promises and the forty faults, each once and in order', () => {
  const { promises, faults } = JSON.parse(readFileSync(join(ROOT, 'test', 'faults.json'), 'utf8'))
  const ids = (prefix: string, count: number) =>
    Array.from({ length: count }, (_, index) => `${prefix}${index + 1}`)
  expect(promises.map(({ id }: { id: string }) => id)).toEqual(ids('P', 10))
  expect(faults.map(({ id }: { id: string }) => id)).toEqual(ids('F', 40))
})

test('gathers marks at the end of titles, in tests and in the tables of kits', () => {
  const page = faultsPage(
    treeOf({
      'test/lane/page.test.ts': source(
        "test('reads ties across pages', 'F1'); test.each([1])('with %s rows', 'P1 F2')",
      ),
      'test/kit/log.ts': source("export const CHECKS = [{ name: 'fences a zombie', run, 'F1' }]"),
    }),
  )
  expect(page).toContain('| P1 | nothing lost | [with … rows](lane/page.test.ts) |  |')
  expect(page).toContain(
    '| F1 | kill | [fences a zombie](kit/log.ts)<br>[reads ties across pages](lane/page.test.ts) | 4 |',
  )
  expect(page).toContain('| F2 | reset | [with … rows](lane/page.test.ts) |  |')
})

test('misses a row with neither a test nor an issue, and a mark that is not listed', () => {
  expect(faultGaps(treeOf({ 'test/a.test.ts': source("test('x', 'F9')") }))).toEqual([
    'P1 (nothing lost) has neither a test nor an issue that will bring it',
    'F2 (reset) has neither a test nor an issue that will bring it',
    'test/a.test.ts: "x" is marked F9, which test/faults.json does not list',
  ])
})

/** Source text in which `'title', 'F1'` stands for a title with its mark, so that this file holds no marks itself. */
function source(text: string): string {
  return text.replaceAll(/'(?:, run)?, '([^']+)'/g, (_, ids: string) => ` [${ids}]'`)
}

function treeOf(files: Readonly<Record<string, string>>): Tree {
  const list = {
    promises: [{ id: 'P1', what: 'nothing lost', issue: null }],
    faults: [
      { id: 'F1', what: 'kill', issue: 4 },
      { id: 'F2', what: 'reset', issue: null },
    ],
  }
  return new Map(Object.entries({ 'test/faults.json': JSON.stringify(list), ...files }))
}

import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Generator } from './generate/generator.ts'
import { GENERATORS } from './generate/index.ts'
import { ROOT } from './steps.ts'

/** A file that is not as its generator would make it. */
export type Stale = Readonly<{ path: string; generator: string; content: string }>

/**
 * The files below `root` that are missing or differ from what their generators make, in the order of the generators.
 * Throws when two generators claim one file.
 */
export async function staleFiles(generators: readonly Generator[], root: string): Promise<readonly Stale[]> {
  const owners = new Map<string, string>()
  const stale: Stale[] = []
  for (const generator of generators) {
    for (const [path, content] of Object.entries(await generator.files())) {
      const owner = owners.get(path)
      if (owner !== undefined)
        throw new Error(`${path} is made by two generators: ${owner} and ${generator.name}.`)
      owners.set(path, generator.name)
      const file = join(root, path)
      const isFresh = existsSync(file) && readFileSync(file, 'utf8') === content
      if (!isFresh) stale.push({ path, generator: generator.name, content })
    }
  }
  return stale
}

/** Writes what is stale. */
export function refresh(stale: readonly Stale[], root: string): void {
  for (const { path, content } of stale) {
    const file = join(root, path)
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, content)
  }
}

if (import.meta.main) {
  const isCheck = process.argv.includes('--check')
  const stale = await staleFiles(GENERATORS, ROOT)
  if (!isCheck) refresh(stale, ROOT)
  const what = isCheck ? 'is stale: run `npm run generate`' : 'written'
  for (const { path, generator } of stale) console.log(`${path} ${what} (${generator})`)
  if (stale.length === 0) console.log('Every generated file is fresh.')
  process.exitCode = isCheck && stale.length > 0 ? 1 : 0
}

import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from './steps.ts'

/** The toy that new adapters begin as; it passes the kit where it lies. */
const EXAMPLE = 'test/kit/toy-adapters/example'

/**
 * Makes an adapter that works: its folder, its line in the registry and its test, which passes. Gives the paths that
 * were written. Throws with a sentence when the name cannot be one or is taken.
 */
export function newAdapter(root: string, name: string): readonly string[] {
  if (!/^[a-z][a-z0-9]*(-[a-z0-9]+)*$/.test(name))
    throw new Error(`"${name}" is no name for an adapter: write it in kebab-case, like file-drop.`)
  const folder = `adapters/${name}`
  if (existsSync(join(root, folder))) throw new Error(`${folder} is there already.`)
  mkdirSync(join(root, folder))
  const sources = readdirSync(join(root, EXAMPLE)).map((file) => {
    const source = readFileSync(join(root, EXAMPLE, file), 'utf8')
    return write(
      root,
      `${folder}/${file}`,
      renamed(source, name).replaceAll("'../../../../adapters/", "'../"),
    )
  })
  const test = readFileSync(join(root, 'test/adapters/example.test.ts'), 'utf8')
  const place = test
    .replace('../kit/toy-adapters/example/', `../../${folder}/`)
    // Imports stand in the order of their paths.
    .replace(/^(import .*)\n(import .*)\n/, '$2\n$1\n')
  return [
    ...sources,
    write(root, `test/adapters/${name}.test.ts`, renamed(place, name)),
    write(
      root,
      'adapters/registry.ts',
      registered(readFileSync(join(root, 'adapters/registry.ts'), 'utf8'), name),
    ),
  ]
}

function renamed(source: string, name: string): string {
  return source.replaceAll("'example'", `'${name}'`)
}

/** The registry with one line more, in the order of the names. */
function registered(registry: string, name: string): string {
  const isEntry = (line: string) => /^ {2}import\('\.\/.*\/adapter\.ts'\),/.test(line)
  const lines = registry.split('\n')
  const entry = `  import('./${name}/adapter.ts'),`
  const before = lines.findIndex((line) => isEntry(line) && line > entry)
  const behindLast = lines.findLastIndex(isEntry) + 1
  return lines.toSpliced(before < 0 ? behindLast : before, 0, entry).join('\n')
}

function write(root: string, path: string, text: string): string {
  writeFileSync(join(root, path), text)
  return path
}

if (import.meta.main) {
  const [name, ...more] = process.argv.slice(2)
  try {
    if (name === undefined || more.length > 0) throw new Error('Usage: npm run new-adapter -- NAME')
    for (const path of newAdapter(ROOT, name)) console.log(path)
    console.log(
      `Next: npx vitest run test/adapters/${name}.test.ts, a line for ${name}/ in ARCHITECTURE.md, npm run generate, and adapters/README.md.`,
    )
  } catch (error) {
    console.error(error instanceof Error ? error.message : error)
    process.exitCode = 1
  }
}

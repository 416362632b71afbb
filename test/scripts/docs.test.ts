import { existsSync, readFileSync } from 'node:fs'
import { dirname, join, posix } from 'node:path'
import { describe, expect, test } from 'vitest'
import { ADAPTER_ERRORS } from '../../adapters/errors.ts'
import { ADAPTERS } from '../../adapters/registry.ts'
import { EXIT } from '../../gateway/cli/failure.ts'
import { loadConfig } from '../../gateway/config/load.ts'
import { HOLDS } from '../../gateway/lane/cursor-record.ts'
import { loadLanguage } from '../../gateway/language.ts'
import { loadMapping } from '../../gateway/mapping/definition.ts'
import { runMappingTests } from '../../gateway/mapping/mapping-tests.ts'
import { mistakesText, mistakeText } from '../../gateway/mapping/mistake.ts'
import { createFiles } from '../../gateway/node/files.ts'
import type { Files } from '../../gateway/ports.ts'
import { FAILPOINTS } from '../../gateway/runtime.ts'
import { TOPICS } from '../../gateway/topics.ts'
import { ROOT } from '../../scripts/steps.ts'
import { readTree } from '../../scripts/tidy.ts'
import { ADAPTER_CHECKS } from '../kit/adapter-contract.ts'

const ROOMS = ['adapters', 'gateway', 'schemas', 'scripts', 'test', 'docker']
const DOCS = ['README.md', 'ARCHITECTURE.md', 'DECISIONS.md', 'CONTRIBUTING.md', 'CHANGELOG.md'] as const

const tree = readTree(ROOT)
const docs = Object.fromEntries(DOCS.map((name) => [name, textOf(name)]))
const readme = textOf('README.md')
const architecture = textOf('ARCHITECTURE.md')
const manifest = JSON.parse(textOf('package.json'))
const paths = [...tree.keys()]
const folders = new Set(paths.flatMap(foldersAbove))

describe('README', () => {
  test('opens with the two commands, and CI runs the very same test command', () => {
    const commands = /```sh\n(.*)\n(.*)\n```/.exec(readme)?.slice(1)
    expect(commands).toEqual(['npm ci && npm run demo', 'npm ci && npm run verify'])
    const [last] = textOf('.ci/run').trim().split('\n').slice(-1)
    expect(last).toBe(commands?.[1])
  })

  test('names ten promises, each with what proves it', () => {
    const promises = [...readme.matchAll(/^\| (P\d+) \| \*\*(.+?)\*\*.*\| (.+) \|$/gm)]
    expect(promises.map(([, id]) => id)).toEqual(Array.from({ length: 10 }, (_, index) => `P${index + 1}`))
  })

  test('tells what to do about every hold, every error that stops a lane, and every exit code', () => {
    const stops = Object.entries(ADAPTER_ERRORS).filter(([, { remedy }]) => remedy === 'fix-config')
    const codes = [...Object.keys(HOLDS), ...stops.map(([code]) => code)]
    expect(codes.filter((code) => !readme.includes(`\`${code}\``))).toEqual([])
    const exits = [...readme.matchAll(/^\| (\d) \| /gm)].map(([, code]) => Number(code))
    expect(exits).toEqual(Object.values(EXIT))
  })

  const { configs, additions, mappings } = yamlBlocks(readme)

  test('holds a config, an addition to it, and a mapping', () => {
    expect([configs.length > 1, additions.length > 0, mappings.length > 0]).toEqual([true, true, true])
  })

  const whole = [...configs, ...additions.map((more) => `${configs[0]}\n${more}`)]
  test.each(whole.map((text, index) => ({ text, index })))(
    'config $index loads without a mistake',
    ({ text }) => {
      const files = withFiles({ '/docs/gateway.yaml': text, ...mappingFiles(mappings) })
      const language = loadLanguage(files, ROOT)
      const loaded = loadConfig({
        path: '/docs/gateway.yaml',
        files,
        secrets: { problem: () => null },
        environmentCheck: false,
        adapters: ADAPTERS,
        knowledge: language.knowledge,
      })
      expect('mistakes' in loaded ? loaded.mistakes.map(mistakeText) : []).toEqual([])
    },
  )

  test.each(Object.keys(mappingFiles(mappings)))('mapping %s gives what its examples say', (path) => {
    const files = withFiles(mappingFiles(mappings))
    const loaded = loadMapping(nameOf(path), ['/docs/mappings'], files)
    if (loaded.kind === 'invalid') throw new Error(mistakesText(loaded.mistakes))
    const { definition } = loaded
    const { schemas } = loadLanguage(files, ROOT)
    const results = runMappingTests(definition, schemas.entity(definition.entity))
    expect(results.length).toBeGreaterThan(0)
    expect(results.flatMap(({ differences }) => differences)).toEqual([])
  })
})

describe('ARCHITECTURE', () => {
  const rooms = roomsIn(architecture)

  test('names every folder', () => {
    const there = [...folders].filter((folder) => ROOMS.includes(folder.split('/')[0] ?? ''))
    expect(there.filter((folder) => !rooms.named.has(folder))).toEqual([])
  })

  test('names nothing among the rooms that is not there', () => {
    expect(rooms.gone).toEqual([])
  })

  test('names every file of the gateway outside its folders', () => {
    const files = paths.filter((path) => /^(gateway|adapters)\/[^/]+\.ts$/.test(path))
    expect(files.filter((path) => !rooms.named.has(path))).toEqual([])
  })

  test.each(['gateway/lane', 'gateway/dingtalk'])(
    'names the files of %s in a table, all and no others',
    (room) => {
      const [, table = ''] = architecture.split(`| \`${room}/\` | |\n| --- | --- |\n`)
      const [rows = ''] = table.split('\n\n')
      const named = rows.split('\n').flatMap((row) => [...(row.split(' | ')[0] ?? '').matchAll(/`([^`]+)`/g)])
      const files = paths.filter((path) => posix.dirname(path) === room).map((path) => posix.basename(path))
      expect(named.map(([, name]) => name).toSorted()).toEqual(files.toSorted())
    },
  )

  test('names every failpoint, hold and topic', () => {
    const words = [...FAILPOINTS, ...Object.keys(HOLDS), ...Object.values(TOPICS)]
    expect(words.filter((word) => !architecture.includes(word))).toEqual([])
  })
})

describe('adapters/README', () => {
  test('names every check of the kit, and no others', () => {
    const named = [...textOf('adapters/README.md').matchAll(/\[([^\]]+)\](?!\()/g)].map(([, name]) => name)
    expect(named.toSorted()).toEqual(ADAPTER_CHECKS.map(({ name }) => name).toSorted())
  })
})

describe('DECISIONS', () => {
  test('has a line for every dependency, and none for what is not one', () => {
    const lines = [...textOf('DECISIONS.md').matchAll(/^\| `([^`]+)` \|/gm)].map(([, name]) => name)
    const names = [...Object.keys(manifest.dependencies), ...Object.keys(manifest.devDependencies)]
    expect(lines.toSorted()).toEqual(names.toSorted())
  })

  test('no package but node runs a script when it is installed', () => {
    const { allowScripts }: { allowScripts: Record<string, boolean> } = JSON.parse(textOf('package.json'))
    const lock: Record<string, { hasInstallScript?: boolean }> = JSON.parse(
      textOf('package-lock.json'),
    ).packages
    const scripted = Object.entries(lock).flatMap(([path, { hasInstallScript }]) =>
      hasInstallScript === true ? [path.replace(/^node_modules\//, '')] : [],
    )
    const refused = scripted.filter((name) => allowScripts[name] === false)
    expect(scripted.filter((name) => !refused.includes(name))).toEqual(['node'])
    // For people whose npm is older and would run it: it downloads nothing (read for the pinned version).
    expect(refused).toEqual(['oracledb'])
  })
})

describe.each(DOCS)('%s', (name) => {
  const text = docs[name] ?? ''

  test('links to what is there', () => {
    const targets = [...text.matchAll(/\]\(([^)\s]+)\)/g)].map(([, target = '']) => target)
    const local = targets.filter((target) => !/^https?:/.test(target))
    const missing = local.filter((target) => {
      const [path = '', anchor] = target.split('#')
      if (path !== '' && !existsSync(join(ROOT, dirname(name), path))) return true
      const page = path === '' ? text : textOf(path)
      return anchor !== undefined && !anchorsOf(page).includes(anchor)
    })
    expect(missing).toEqual([])
  })

  test('names paths that are there', () => {
    const named = [...text.matchAll(/`((?:adapters|gateway|schemas|scripts|test|docker)\/[^`*… <]*)`/g)]
    const gone = named.map(([, path = '']) => path).filter((path) => !existsSync(join(ROOT, path)))
    expect(gone).toEqual([])
  })

  test('names verbs that there are', () => {
    const verbs = [...text.matchAll(/npm run ([a-z-]+)/g)].map(([, verb = '']) => verb)
    expect(verbs.filter((verb) => manifest.scripts[verb] === undefined)).toEqual([])
    const reference = textOf('gateway/cli/README.md')
    const asked = [...text.matchAll(/(?<=`|npx )erpgw ([a-z]+)/g)].map(([, verb = '']) => verb)
    expect(asked.filter((verb) => !reference.includes(`## erpgw ${verb}\n`))).toEqual([])
  })
})

function textOf(path: string): string {
  return readFileSync(join(ROOT, path), 'utf8')
}

function foldersAbove(path: string): string[] {
  const parts = path.split('/').slice(0, -1)
  return parts.map((_, index) => parts.slice(0, index + 1).join('/'))
}

/**
 * The paths in the block of rooms. A line begins with its room, or two spaces further in with a folder or file of it;
 * other words of the line that look like a path are below that folder, or beside it.
 */
function roomsIn(page: string): Readonly<{ named: ReadonlySet<string>; gone: readonly string[] }> {
  const block = /## The rooms\n\n```text\n(.*?)```/s.exec(page)?.[1] ?? ''
  const named = new Set<string>()
  const gone: string[] = []
  const isThere = (path: string) => folders.has(path) || tree.has(path)
  let room = ''
  for (const line of block.split('\n')) {
    const words = line.split(/[\s,:;()]+/).map((word) => word.replace(/\.$/, ''))
    const like = words.filter((word) => /^[\w-]+(\/[\w-]+)*(\/|\.(ts|md|json|yaml))$/.test(word))
    if (/^\S/.test(line)) room = (like.shift() ?? '').replace(/\/$/, '')
    named.add(room)
    const lead = /^ {2}\S/.test(line) ? `${room}/${like[0] ?? ''}` : `${room}/`
    for (const word of like) {
      const path = word.replace(/\/$/, '')
      const found = [`${lead}${path}`, `${room}/${path}`].find(isThere)
      if (found === undefined) gone.push(`${room}/${path}`)
      else for (const folder of [found, ...foldersAbove(found)]) named.add(folder)
    }
  }
  return { named, gone }
}

/** Fenced YAML, by what it is: a whole config, keys to add to the first one, or a mapping. */
function yamlBlocks(text: string) {
  const blocks = [...text.matchAll(/^```yaml\n(.*?)^```$/gms)].map(([, block = '']) => block)
  const mappings = blocks.filter((block) => /^mapping: /m.test(block))
  const configs = blocks.filter((block) => /^sources:/m.test(block))
  const additions = blocks.filter((block) => !mappings.includes(block) && !configs.includes(block))
  return { configs, additions, mappings }
}

function mappingFiles(mappings: readonly string[]): Readonly<Record<string, string>> {
  return Object.fromEntries(
    mappings.map((text) => [`/docs/mappings/${/^mapping: (\S+)/m.exec(text)?.[1]}.yaml`, text]),
  )
}

function nameOf(path: string): string {
  return path.slice('/docs/mappings/'.length, -'.yaml'.length)
}

/** The checkout's own files, and these above them. */
function withFiles(extra: Readonly<Record<string, string>>): Files {
  const real = createFiles()
  return {
    read: (path) => extra[path] ?? real.read(path),
    list(path) {
      const inside = Object.keys(extra).filter((file) => file.startsWith(`${path}/`))
      const names = inside.map((file) => file.slice(path.length + 1).split('/')[0] ?? '')
      return names.length > 0 ? [...new Set(names)].sort() : real.list(path)
    },
  }
}

/** The anchors that GitHub makes of the headings of a page. */
function anchorsOf(page: string): readonly string[] {
  return [...page.matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, '')
      .replaceAll(' ', '-'),
  )
}

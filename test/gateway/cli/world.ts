import { fileURLToPath } from 'node:url'
import { runCommandLine } from '../../../gateway/cli/program.ts'
import type { World } from '../../../gateway/cli/world.ts'
import { createFiles } from '../../../gateway/node/files.ts'
import { simulatedRuntime } from '../../kit/simulated-runtime.ts'

/** A folder `/site` with a gateway that reads payments from files. */
export const SITE: Pick<World, 'folder' | 'files'> = {
  folder: '/site',
  files: {
    read: (path) => (path === '/site/gateway.yaml' ? CONFIG : packaged.read(path)),
    list: (path) => packaged.list(path),
  },
}

/** How a command line ended, what it printed, and which files it wrote. */
export type Said = Readonly<{ code: number; out: string; err: string; written: ReadonlyMap<string, string> }>

/** Runs a command line in a folder that is not there: no config, no log, no gateway. */
export function erpgw(...argv: readonly string[]): Promise<Said> {
  return erpgwIn({}, ...argv)
}

/** The same in a world of which more is there. */
export async function erpgwIn(there: Partial<World>, ...argv: readonly string[]): Promise<Said> {
  let out = ''
  let err = ''
  const written = new Map<string, string>()
  const unreachable = () => {
    throw new Error('The command went further than it should.')
  }
  const world: World = {
    argv,
    folder: '/nowhere',
    packageFolder: fileURLToPath(new URL('../../..', import.meta.url)),
    version: '1.2.3',
    user: 'tester',
    isTerminal: false,
    columns: 80,
    out: (text) => {
      out += text
    },
    err: (text) => {
      err += text
    },
    signal: new AbortController().signal,
    runtime: simulatedRuntime('command line').runtime,
    files: createFiles(),
    secrets: { read: () => null, problem: () => null },
    writeNew(path, text) {
      if (written.has(path)) return false
      written.set(path, text)
      return true
    },
    folderProblem: () => null,
    makeDataFolder: () => null,
    ask: unreachable,
    open: unreachable,
    inspect: unreachable,
    readLog: unreachable,
    ...there,
  }
  return { code: await runCommandLine(world), out, err, written }
}

const packaged = createFiles()

const CONFIG = `gateway: test
companies:
  001: { name: Shop, currency: HKD, zone: Asia/Hong_Kong }
data: ./data
sources:
  erp:
    kind: file-drop
    system: shop
    company: 001
    zone: UTC
    connection: { transport: folder, path: ./drop }
    poll: { every: 1s }
    feeds:
      payments:
        mapping: demo-trading/payment
        files: "*.csv"
        format: { kind: csv, encoding: utf-8, header: first-row }
        key: [payment_no, fiscal_year]
        content: full
        finished: { by: rename }
        cursor: { strategy: files, order: name }
`

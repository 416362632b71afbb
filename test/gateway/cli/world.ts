import { fileURLToPath } from 'node:url'
import { runCommandLine } from '../../../gateway/cli/program.ts'
import type { World } from '../../../gateway/cli/world.ts'
import { createFiles } from '../../../gateway/node/files.ts'
import { simulatedRuntime } from '../../kit/simulated-runtime.ts'

/** How a command line ended, what it printed, and which files it wrote. */
export type Said = Readonly<{ code: number; out: string; err: string; written: ReadonlyMap<string, string> }>

/** Runs a command line in a folder that is not there: no config, no log, no gateway. */
export async function erpgw(...argv: readonly string[]): Promise<Said> {
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
    ask: unreachable,
    open: unreachable,
    inspect: unreachable,
    readLog: unreachable,
  }
  return { code: await runCommandLine(world), out, err, written }
}

import { runCommandLine } from '../../gateway/cli/program.ts'
import type { World } from '../../gateway/cli/world.ts'
import { createRuntime } from '../../gateway/node/runtime.ts'
import { CHECKOUT } from './checkout.ts'

/**
 * What `erpgw --help` says, and `--help` of every verb, as JSON: the texts by command line, in the order in which the
 * verbs are listed. A program of its own, since commander breaks lines to fit the terminal that it finds.
 */
export type CliHelp = readonly Readonly<{ line: string; text: string }>[]

if (import.meta.main) console.log(JSON.stringify(await helpOf([])))

async function helpOf(verbs: readonly string[]): Promise<CliHelp> {
  const text = await shown([...verbs, '--help'])
  const listed = /\nCommands:\n(.*?)(\n\n|$)/s.exec(text)?.[1] ?? ''
  const names = [...listed.matchAll(/^ {2}([a-z]+)/gm)].map(([, name = '']) => name)
  const below = await Promise.all(
    names.filter((name) => name !== 'help').map((name) => helpOf([...verbs, name])),
  )
  return [{ line: ['erpgw', ...verbs].join(' '), text: text.trim() }, ...below.flat()]
}

async function shown(argv: readonly string[]): Promise<string> {
  let text = ''
  const exitCode = await runCommandLine(worldThatOnlyShows(argv, (more) => (text += more)))
  if (exitCode !== 0) throw new Error(`erpgw ${argv.join(' ')} ended with ${exitCode}:\n${text}`)
  return text
}

/** Help touches nothing of the world; whatever else is asked for is a fault of this program. */
function worldThatOnlyShows(argv: readonly string[], show: (text: string) => void): World {
  const untouched = () => {
    throw new Error('Help should touch nothing.')
  }
  return {
    argv,
    folder: '.',
    packageFolder: '.',
    version: '',
    user: '',
    isTerminal: false,
    columns: 80,
    out: show,
    err: show,
    signal: new AbortController().signal,
    runtime: createRuntime(),
    files: CHECKOUT,
    secrets: { read: () => null, problem: () => null },
    writeNew: untouched,
    folderProblem: untouched,
    makeDataFolder: untouched,
    ask: untouched,
    open: untouched,
    inspect: untouched,
    readLog: untouched,
  }
}

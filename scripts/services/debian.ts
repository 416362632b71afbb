import { accessSync, constants, existsSync, readFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { CannotOpen } from '../services.ts'
import { run } from './run.ts'

export type Account = Readonly<{ uid: number; gid: number }>

/** Downloading and unpacking a browser on a slow line included. */
const INSTALL_MS = 900_000

/** Whether the machine lets us install Debian packages. */
export function canInstall(): boolean {
  return isRoot() && existsSync('/etc/debian_version') && programAt('apt-get') !== null
}

/** Installs Debian packages without recommendations and questions; throws CannotOpen where that fails. */
export async function install(packages: readonly string[]): Promise<void> {
  if (!canInstall()) {
    throw new CannotOpen(`${packages.join(', ')} is not installed, and installing needs root on Debian`)
  }
  const options = {
    timeoutMs: INSTALL_MS,
    // C: the last line of a failure is quoted in our messages.
    environment: { DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C' },
  }
  // A list of packages that is a little old still installs most; the install itself tells whether it does.
  await run('apt-get', ['update'], options)
  const installed = await run(
    'apt-get',
    ['install', '--yes', '--no-install-recommends', '-o', 'DPkg::Lock::Timeout=300', ...packages],
    options,
  )
  if (!installed.ok) throw new CannotOpen(installed.reason, true)
}

/** The account to run a server as that refuses root: the first of `names` that exists; null where we are not root. */
export function accountFor(names: readonly string[]): Account | null {
  if (!isRoot()) return null
  const accounts = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .map((line) => line.split(':'))
  for (const wanted of names) {
    const [, , uid, gid] = accounts.find(([name]) => name === wanted) ?? []
    if (uid !== undefined && gid !== undefined) return { uid: Number(uid), gid: Number(gid) }
  }
  throw new CannotOpen(`none of the accounts ${names.join(', ')} exists`)
}

/** Where a program of PATH lies, or null. */
export function programAt(name: string): string | null {
  for (const folder of (process.env['PATH'] ?? '').split(delimiter)) {
    const path = join(folder, name)
    if (isExecutable(path)) return path
  }
  return null
}

export function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

function isRoot(): boolean {
  return process.getuid?.() === 0
}

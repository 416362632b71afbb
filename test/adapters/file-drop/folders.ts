import { mkdtemp, readdir, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { joinKey, splitKey } from '../../../adapters/cursor.ts'
import { openFolder } from '../../../adapters/file-drop/folder.ts'
import type { Transport } from '../../../adapters/file-drop/transport.ts'
import type { AdapterWorld } from '../../kit/adapter-contract.ts'

/** A folder of this machine as its producer sees it. */
export type Folder = Readonly<{
  path: string
  /** Writes a file under another name and renames it when it is whole. */
  put(name: string, bytes: Uint8Array): Promise<void>
  /** Names that lie in the folder itself. */
  names(): Promise<readonly string[]>
  transport(): Promise<Transport>
  close(): Promise<void>
}>

export async function openTestFolder(): Promise<Folder> {
  const path = await mkdtemp(join(tmpdir(), 'erpgw-drop-'))
  return {
    path,
    async put(name, bytes) {
      await writeFile(join(path, `.${name}`), bytes)
      await rename(join(path, `.${name}`), join(path, name))
    },
    async names() {
      const entries = await readdir(path, { withFileTypes: true })
      return entries.filter((entry) => !entry.isDirectory()).map((entry) => entry.name)
    },
    transport: () => openFolder({ transport: 'folder', path }),
    close: () => rm(path, { recursive: true }),
  }
}

/** A way in which a system drops files, for the kit. */
export type FolderWorld = Readonly<{
  title: string
  make(folder: Folder): Promise<AdapterWorld<Transport>>
}>

export const FOLDER_WORLDS: readonly FolderWorld[] = [
  { title: 'one record in each file', make: singleRecords },
  { title: 'new states of some, in GB 18030 with markers', make: partialStates },
  { title: 'all states in every file', make: fullStates },
]

async function singleRecords(folder: Folder): Promise<AdapterWorld<Transport>> {
  const name = numbering('R-')
  const put = (row: string) => folder.put(name(), utf8(`no;version\r\n${row}\r\n`))
  return {
    ...common(folder, {
      files: 'R-????.csv',
      format: { kind: 'csv', delimiter: ';' },
      key: ['no'],
      content: 'records',
      finished: { by: 'rename' },
      cursor: { strategy: 'files', order: 'name' },
    }),
    keys: ['1', '0010', '1.10', 'no', 'a"b', 'c;d', 'e f'],
    rereads: false,
    add: (key) => put(`${quoted(key)};1`),
    change: (key, version) => put(`${quoted(key)};${version}`),
    spoil: () => put('"x" y;1'),
  }
}

async function partialStates(folder: Folder): Promise<AdapterWorld<Transport>> {
  const name = numbering('库存_')
  const put = async (...rows: Uint8Array[]) => {
    const file = name()
    await folder.put(file, joined(HEADER_GBK, ...rows))
    await folder.put(`${file}.ok`, new Uint8Array(0))
  }
  const row = (key: string, version: number) => {
    const [item = '', place = ''] = splitKey(key)
    // A byte of 丨 (D8 AD) and of 俓 (82 7C) is `|`, the delimiter; it must be none inside a character.
    return joined(utf8(`${item}|${place}|${version}|`), Uint8Array.of(0x82, 0x7c, 0x0a))
  }
  return {
    ...common(folder, {
      files: '库存_*.csv',
      format: { kind: 'csv', encoding: 'gb18030', delimiter: '|' },
      key: ['物料', '仓库'],
      content: 'partial',
      finished: { by: 'marker', suffix: '.ok' },
      cursor: { strategy: 'files', order: 'name' },
    }),
    keys: ['a', 'b', 'c', 'd', 'e', 'f', 'g'].map((item) => joinKey([item, `w/${item}`])),
    rereads: false,
    add: (key) => put(row(key, 1)),
    change: (key, version) => put(row(key, version)),
    spoil: () => put(utf8('x|y|1|'), Uint8Array.of(0xff, 0x0a)),
  }
}

/** 物料|仓库|version|注 in GBK. */
const HEADER_GBK = Uint8Array.of(
  ...[0xce, 0xef, 0xc1, 0xcf, 0x7c, 0xb2, 0xd6, 0xbf, 0xe2, 0x7c],
  ...[...'version'].map((letter) => letter.charCodeAt(0)),
  ...[0x7c, 0xd7, 0xa2, 0x0a],
)

async function fullStates(folder: Folder): Promise<AdapterWorld<Transport>> {
  const name = numbering('F-')
  const states = new Map<string, number>()
  const put = (more = '') => {
    const rows = [...states].map(([key, version]) => `${key},${version}\n`)
    return folder.put(name(), utf8(`\ufeffno,version\n${rows.join('')}${more}`))
  }
  return {
    ...common(folder, {
      files: 'F-*',
      format: { kind: 'csv' },
      key: ['no'],
      content: 'full',
      finished: { by: 'rename' },
      cursor: { strategy: 'files', order: 'time' },
    }),
    keys: ['a', 'b', 'c', 'd', 'e', 'f', 'g'],
    rereads: true,
    async add(key) {
      states.set(key, 1)
      await put()
    },
    async change(key, version) {
      states.set(key, version)
      await put()
    },
    async remove(key) {
      states.delete(key)
      await put()
    },
    spoil: () => put('only-one-value\n'),
  }
}

function common(folder: Folder, feed: object) {
  return {
    feeds: { docs: feed },
    feed: 'docs',
    versionOf: (record: Readonly<{ data: Readonly<Record<string, unknown>> }>) =>
      Number(record.data['version']),
    unsettled: async () => (await folder.names()).length,
    transport: folder.transport,
    close: folder.close,
  }
}

function numbering(prefix: string): () => string {
  let count = 0
  return () => {
    count += 1
    return `${prefix}${String(count).padStart(4, '0')}.csv`
  }
}

function quoted(value: string): string {
  return /[";]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value
}

function utf8(text: string): Uint8Array {
  return new TextEncoder().encode(text)
}

function joined(...parts: Uint8Array[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => [...part]))
}

// The programs in the documents, exactly as they are printed.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const TOP = process.env.TOP ?? fileURLToPath(new URL('../../../', import.meta.url));

/** The blocks of a document in this language, in order. */
export function blocks(document, language) {
  const text = readFileSync(join(TOP, document), 'utf8');
  return [...text.matchAll(new RegExp('^```' + language + '\\n([^]*?)^```$', 'gm'))].map((m) => m[1]);
}

/** Lines that are not empty. */
export const length = (code) => code.split('\n').filter((line) => line.trim() !== '').length;

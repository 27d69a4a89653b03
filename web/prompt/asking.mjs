// The questions that only the helpers on prompts ask the server.

/**
 * @typedef {import("../server.js").Server} Server
 * @typedef {import("../rack/rows.js").RowData} RowData
 * @typedef {import("../answers.mjs").TagMeaning} TagMeaning
 */

/**
 * What each tag of a prompt means, and which file it names.
 *
 * @param {Server} server
 * @param {string[]} tags
 * @returns {Promise<TagMeaning[]>}
 */
export async function askTags(server, tags) {
  return (await server.post("tags", { tags })).tags;
}

/**
 * A prompt without the tags that begin at some places, and the rows of those tags.
 *
 * @param {Server} server
 * @param {string} text
 * @param {number[]} starts
 * @returns {Promise<{text: string, rows: RowData[]}>}
 */
export const askUntag = (server, text, starts) => server.post("untag", { text, starts });

/** The names of the textual inversions that the host lists. @param {Server} server @returns {Promise<string[]>} */
export async function askEmbeddings(server) {
  const answer = await server.fetchApi("/embeddings");
  if (!answer.ok) throw new Error(`/embeddings: ${answer.status} ${answer.statusText}`);
  return answer.json();
}

// What web/extension.js uses of the host's page (scripts/api.js), and nothing more.

export const api: {
  fetchApi(path: string, options?: RequestInit): Promise<Response>;
  apiURL(path: string): string;
  addEventListener(event: "reconnected", listener: () => void): void;
  /** Of a message that the server sends under this name. */
  addEventListener(event: "lora_rack_get", listener: (event: CustomEvent<import("../../../web/getting/jobs.js").Job>) => void): void;
};

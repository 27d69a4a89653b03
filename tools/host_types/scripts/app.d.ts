// What web/extension.js uses of the host's page (scripts/app.js), and nothing more.

export interface Widget {
  name: string;
  type: string;
  value: string;
  hidden?: boolean;
  serialize?: boolean;
  element?: HTMLElement;
  options: {
    getValue?: () => string;
    setValue?: (value: string) => void;
    hidden?: boolean;
    [option: string]: unknown;
  };
  callback?: (value: string) => void;
  computeLayoutSize?: () => { minHeight: number; maxHeight: number; minWidth: number };
  serializeValue?: () => Promise<string>;
}

export interface Graph {
  setDirtyCanvas(foreground: boolean, background: boolean): void;
}

export interface LGraphNode {
  id: number | string;
  comfyClass?: string;
  widgets?: Widget[];
  inputs?: { name: string; type: string; link: number | null | undefined }[];
  size: [number, number];
  graph?: Graph | null;
  computeSize(): [number, number];
  setSize(size: [number, number]): void;
  addDOMWidget(name: string, type: string, element: HTMLElement, options: object): Widget;
  getInputNode(slot: number): LGraphNode | null;
  onExecuted?: (output: Record<string, any> | null | undefined) => void;
  refreshComboInNode?: () => void;
  onConnectionsChange?: (...details: unknown[]) => void;
  onConfigure?: (...details: unknown[]) => void;
}

interface ChangeTracker {
  captureCanvasState?: () => void;
  checkState?: () => void;
}

export const app: {
  registerExtension(extension: { name: string; init?(): void; nodeCreated?(node: LGraphNode): void }): void;
  canvas?: { graph?: Graph | null };
  extensionManager?: { workflow?: { activeWorkflow?: { changeTracker?: ChangeTracker } } };
};

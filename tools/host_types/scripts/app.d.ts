// What web/extension.js uses of the host's page (scripts/app.js), and nothing more.

export interface Widget {
  name: string;
  label?: string;
  type: string;
  value: string | number;
  hidden?: boolean;
  serialize?: boolean;
  dynamicPrompts?: boolean;
  element?: HTMLElement;
  options: {
    getValue?: () => string;
    setValue?: (value: string) => void;
    hidden?: boolean;
    [option: string]: unknown;
  };
  callback?: (...details: any[]) => void;
  computeLayoutSize?: () => { minHeight: number; maxHeight: number; minWidth: number };
  serializeValue?: () => Promise<string>;
}

/** A number in older pages, a text in newer ones. */
type LinkId = number | string;

interface Link {
  origin_id: number | string;
  origin_slot: number;
}

export interface Graph {
  getLink?(id: LinkId): Link | undefined;
  links?: { get?(id: LinkId): Link | undefined };
  add(node: LGraphNode): void;
  remove(node: LGraphNode): void;
  setDirtyCanvas(foreground: boolean, background: boolean): void;
}

export interface LGraphNode {
  id: number | string;
  comfyClass?: string;
  widgets?: Widget[];
  inputs?: { name: string; type: string; localized_name?: string; link: LinkId | null | undefined }[];
  outputs?: { name: string; localized_name?: string; links?: LinkId[] | null }[];
  pos: [number, number];
  size: [number, number];
  connect(slot: number, target: LGraphNode, targetSlot: number): unknown;
  getInputLink(slot: number): { origin_slot: number } | null;
  graph?: Graph | null;
  subgraph?: Graph;
  computeSize(): [number, number];
  setSize(size: [number, number]): void;
  addDOMWidget(name: string, type: string, element: HTMLElement, options: object): Widget;
  getInputNode(slot: number): LGraphNode | null;
  onExecuted?: (output: Record<string, any> | null | undefined, ...more: unknown[]) => void;
  refreshComboInNode?: () => void;
  onConnectionsChange?: (...details: unknown[]) => void;
  properties: Record<string, unknown>;
  onConfigure?: (...details: unknown[]) => void;
}

interface ChangeTracker {
  captureCanvasState?: () => void;
  checkState?: () => void;
  _restoringState?: boolean;
  activeState: object;
  undoQueue: object[];
  redoQueue: object[];
}

export interface Graph {
  id?: string;
  nodes: LGraphNode[];
  getNodeById(id: number | string): LGraphNode | null;
  subgraphs?: Map<string, Graph>;
  serialize(): object;
}

export interface Workflow {
  changeTracker?: ChangeTracker;
}

export interface NodeDefinition {
  name: string;
  display_name: string;
  description: string;
  category: string;
  input: {
    required?: Record<string, [unknown, { tooltip?: string }?]>;
    optional?: Record<string, [unknown, { tooltip?: string }?]>;
  };
  output_tooltips?: string[];
}

interface MenuItem {
  content: string;
  callback: () => void;
}

interface Command {
  id: string;
  label: () => string;
  function: () => void | Promise<void>;
}

interface Toast {
  severity: "success" | "info" | "error";
  summary: string;
  detail: string;
  life: number;
}

interface Extension {
  name: string;
  commands?: Command[];
  menuCommands?: { path: string[]; commands: string[] }[];
  getCanvasMenuItems?(): (MenuItem | null)[];
  getNodeMenuItems?(node: LGraphNode): MenuItem[];
  init?(): void | Promise<void>;
  beforeRegisterNodeDef?(type: unknown, definition: NodeDefinition): void;
  nodeCreated?(node: LGraphNode): void;
}

export const app: {
  graph: Graph;
  rootGraph?: Graph;
  canvas: { canvas: HTMLCanvasElement; graph: Graph | null; selected_nodes?: Record<string, LGraphNode> };
  registerExtension(extension: Extension): void;
  loadGraphData(
    workflow: object,
    clean: boolean,
    restoreView: boolean,
    open: Workflow | null,
    options: object,
  ): Promise<void>;
  extensionManager?: {
    workflow?: { activeWorkflow?: Workflow };
    setting: { get(id: string): unknown };
    toast: { add(message: Toast): void };
  };
};

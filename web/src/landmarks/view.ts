/** The point cloud on screen: turn, zoom, colours. Draws only when something has changed. */
import {
  BufferAttribute, BufferGeometry, Color, PerspectiveCamera, Points, PointsMaterial, Scene, WebGLRenderer,
} from "three";
import { OrbitControls } from "three/examples/jsm/controls/OrbitControls.js";
import { MESH } from "./table";

export class CloudView {
  private readonly renderer: WebGLRenderer;
  private readonly scene = new Scene();
  private readonly camera = new PerspectiveCamera(35, 1, 0.1, 50);
  private readonly controls: OrbitControls;
  private readonly clouds: Points<BufferGeometry, PointsMaterial>[] = [];
  private readonly observer: ResizeObserver;

  /** Throws where the browser has no WebGL. */
  constructor(private readonly canvas: HTMLCanvasElement) {
    this.renderer = new WebGLRenderer({ canvas, antialias: true, alpha: true });
    this.controls = new OrbitControls(this.camera, canvas);
    this.controls.enablePan = false;
    this.controls.addEventListener("change", () => this.draw());
    this.front();
    this.observer = new ResizeObserver(() => this.resize());
    this.observer.observe(canvas);
  }

  /** Show one cloud with a colour a point, and maybe a second one, in one colour. */
  show(face: Float32Array, colours: Float32Array, other: Float32Array | null, otherColour: string): void {
    for (const cloud of this.clouds.splice(0)) {
      this.scene.remove(cloud);
      cloud.geometry.dispose();
      cloud.material.dispose();
    }
    this.add(face, colours, 1);
    if (other) {
      const { r, g, b } = new Color(otherColour);
      this.add(other, Float32Array.from({ length: other.length }, (_, k) => [r, g, b][k % 3]!), 0.75);
    }
    this.draw();
  }

  /** Look at the face from the front. */
  front(): void {
    this.camera.position.set(0, -0.35, 4.4);
    this.controls.target.set(0, -0.35, 0);
    this.controls.update();
  }

  /** Turn by an angle (radians) or come closer by a factor; for the keyboard. */
  move(turn: number, closer = 1): void {
    const { position } = this.camera;
    const { target } = this.controls;
    const [x, z] = [position.x - target.x, position.z - target.z];
    position.x = target.x + (x * Math.cos(turn) + z * Math.sin(turn)) / closer;
    position.z = target.z + (z * Math.cos(turn) - x * Math.sin(turn)) / closer;
    this.controls.update();
    this.draw();
  }

  close(): void {
    this.observer.disconnect();
    this.controls.dispose();
    this.renderer.dispose();
  }

  private add(points: Float32Array, colours: Float32Array, opacity: number): void {
    const geometry = new BufferGeometry();
    geometry.setAttribute("position", new BufferAttribute(points, 3));
    geometry.setAttribute("color", new BufferAttribute(colours, 3));
    const size = points.length / 3 < MESH ? 0.12 : 0.045; // five points alone would be specks
    const material = new PointsMaterial({ size, vertexColors: true, transparent: opacity < 1, opacity });
    const cloud = new Points(geometry, material);
    this.clouds.push(cloud);
    this.scene.add(cloud);
  }

  private resize(): void {
    const { clientWidth, clientHeight } = this.canvas;
    if (!clientWidth || !clientHeight) return;
    this.renderer.setPixelRatio(Math.min(devicePixelRatio, 2));
    this.renderer.setSize(clientWidth, clientHeight, false);
    this.camera.aspect = clientWidth / clientHeight;
    this.camera.updateProjectionMatrix();
    this.draw();
  }

  private draw(): void {
    this.renderer.render(this.scene, this.camera);
  }
}

/** Turn values into colours from blue (low) over green to yellow (high); equal ones are all alike. Light grounds get darker ones. */
export function colours(values: Float32Array, low: number, high: number, dark: boolean): Float32Array {
  const out = new Float32Array(values.length * 3);
  const tone = new Color();
  values.forEach((value, k) => {
    const part = high > low ? Math.min(Math.max((value - low) / (high - low), 0), 1) : 0;
    tone.setHSL(0.62 - 0.47 * part, 0.75, dark ? 0.5 : 0.45 - 0.15 * part);
    out.set([tone.r, tone.g, tone.b], 3 * k);
  });
  return out;
}

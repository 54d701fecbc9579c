"""A film of a simulated robot: poses rendered without a display, written as MP4.

Rendering runs in a process of its own: the graphics library is chosen when MuJoCo is imported, and
one that fails may take its process with it.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ros2_rl.robots import RobotDescription, load_robot

_LIBRARIES = ("egl", "osmesa")
"""MuJoCo's ways to render without a display: the graphics card, then the processor."""
_WIDTH, _HEIGHT = 480, 360
_TIMEOUT_S = 600.0


def shoot(poses: np.ndarray, fps: int, path: Path, robot_name: str = "go2", roughness: float = 0.0) -> str:
    """Render poses of the model, (N, 7 + J), into an MP4 file.

    Returns:
        Empty, or why there is no film.
    """
    asked = os.environ.get("MUJOCO_GL")
    reasons = []
    with tempfile.TemporaryDirectory(prefix="ros2_rl_") as folder:
        trace = Path(folder) / "poses.npy"
        np.save(trace, poses)
        part = Path(folder) / "film.mp4"
        for library in (asked,) if asked else _LIBRARIES:
            command = [sys.executable, "-m", "ros2_rl.sim.film", str(trace), str(part)]
            command += ["--fps", str(fps), "--robot", robot_name, "--roughness", str(roughness)]
            failed = _try(command, os.environ | {"MUJOCO_GL": library})
            if not failed:
                path.write_bytes(part.read_bytes())
                return ""
            reasons.append(f"{library}: {failed}")
    return (
        f"no film: nothing renders without a display here ({'; '.join(reasons)}); "
        "install a graphics driver with EGL, or OSMesa (libosmesa6)"
    )


def _try(command: Sequence[str], environment: dict[str, str]) -> str:
    """Why a command failed; empty where it did not."""
    try:
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired:
        return f"not done within {_TIMEOUT_S:.0f} s"
    if done.returncode == 0:
        return ""
    errors = [line for line in done.stderr.splitlines() if line and not line.startswith(" ")]
    return errors[0][:120] if errors else f"exit status {done.returncode}"


def render(poses: np.ndarray, fps: int, path: Path, robot: RobotDescription, roughness: float) -> None:
    """Render in this process, with the library that ``MUJOCO_GL`` names."""
    import av
    import mujoco

    from ros2_rl.sim.model import FLOOR, build_model

    model = build_model(robot, terrain_roughness=roughness)
    data, camera = mujoco.MjData(model), mujoco.MjvCamera()
    camera.type = mujoco.mjtCamera.mjCAMERA_TRACKING
    camera.trackbodyid = model.body(robot.base_link).id
    camera.distance, camera.azimuth, camera.elevation = 1.7, 130.0, -24.0
    model.vis.headlight.ambient[:], model.vis.headlight.diffuse[:] = 0.4, 0.6
    model.geom_rgba[:, :3], model.geom_rgba[model.geom(FLOOR).id, :3] = (0.25, 0.3, 0.38), (0.82, 0.84, 0.86)
    renderer = mujoco.Renderer(model, _HEIGHT, _WIDTH)
    renderer.scene.flags[mujoco.mjtRndFlag.mjRND_SHADOW] = False
    renderer.scene.flags[mujoco.mjtRndFlag.mjRND_REFLECTION] = False
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=fps)
        stream.width, stream.height, stream.pix_fmt = _WIDTH, _HEIGHT, "yuv420p"
        for pose in poses:
            data.qpos[:] = pose
            mujoco.mj_forward(model, data)
            renderer.update_scene(data, camera)
            _rule(renderer.scene, data.qpos[:2])
            container.mux(stream.encode(av.VideoFrame.from_ndarray(renderer.render(), format="rgb24")))
        container.mux(stream.encode())
    renderer.close()


def _rule(scene: Any, place: np.ndarray) -> None:
    """Draw lines on the ground every half metre around a place, so that it can be seen to pass by."""
    import mujoco

    centre = np.round(2.0 * place) / 2.0
    for axis in (0, 1):
        for offset in np.arange(-2.0, 2.01, 0.5):
            middle, half = np.array((*centre, 0.0)), np.full(3, 0.004)
            middle[axis] += offset
            half[1 - axis] = 2.0
            mujoco.mjv_initGeom(
                scene.geoms[scene.ngeom], mujoco.mjtGeom.mjGEOM_BOX, half, middle, np.eye(3).ravel(),
                np.array((0.6, 0.63, 0.66, 1.0), np.float32),
            )  # fmt: skip
            scene.ngeom += 1


def main() -> int:
    parser = argparse.ArgumentParser(description="Render poses into an MP4 file.")
    parser.add_argument("poses", type=Path, help="array (N, 7 + J), .npy")
    parser.add_argument("film", type=Path)
    parser.add_argument("--fps", type=int, default=25)
    parser.add_argument("--robot", default="go2")
    parser.add_argument("--roughness", type=float, default=0.0)
    args = parser.parse_args()
    render(np.load(args.poses), args.fps, args.film, load_robot(args.robot), args.roughness)
    return 0


if __name__ == "__main__":
    sys.exit(main())

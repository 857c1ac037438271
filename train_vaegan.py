"""Train a VAE, a VAE with a learned loss, or a GAN: `python train_vaegan.py --help`.

A door to `python -m vaegan train`.
"""

if __name__ == "__main__":  # before the imports that take seconds
    from vaegan.training.signals import end_at_ctrl_c

    end_at_ctrl_c()

from vaegan.__main__ import leave
from vaegan.commands.train import main

if __name__ == "__main__":
    leave(main())

"""Who asks: LIME, KernelSHAP, TimeSHAP, occlusion, gradients."""
